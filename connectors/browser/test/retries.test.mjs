// Connections that break in the middle: a proxy in front of a running server forwards the request, and drops the
// answer.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { called, connect, event } from './support/client.mjs';
import { startCutter } from './support/cutter.mjs';
import { openPage, problem } from './support/page.mjs';
import { eventually, startPenstock } from './support/penstock.mjs';

let server, cutter;
before(async () => {
  server = await startPenstock();
  cutter = await startCutter(server.front);
});
after(async () => {
  cutter.stop();
  await server.stop();
});

const request = { customer: 'ada@example.com', items: [{ sku: 'A', quantity: 1 }] };

async function admitted(t, sale, options) {
  await server.openSale(sale, options);
  const visitor = connect({ front: cutter.front, sale });
  t.after(() => visitor.stop());
  await called(visitor);
  await visitor.claim();
  visitor.stop(); // so that a poll does not take the cut that is meant for another request
  return visitor;
}

test('a reservation and an order whose answers are lost are made once', async (t) => {
  const visitor = await admitted(t, 'lost', { reservation: { per_customer: 5 } });
  cutter.cutAnswers('POST /v1/sales/lost/reservations', 1);
  const held = await visitor.reserve(request);
  const units = async () => { // held and sold
    const { items: [item] } = await server.admin('GET', '/sales/lost/stats');
    return `${item.held}, ${item.sold}`;
  };
  assert.equal(await units(), '1, 0');
  cutter.cutAnswers('POST /v1/orders', 1);
  const order = await visitor.order({ reservation: held.id, customer: { email: 'ada@example.com' } });
  assert.equal(order.reservation, held.id);
  assert.equal(cutter.cuts(), 2);
  await eventually('one unit is sold', async () => await units() === '0, 1');
});

test('a press of the button after the client gave up is still the same request', async (t) => {
  const visitor = await admitted(t, 'pressed', { reservation: { per_customer: 5 } });
  const impatient = connect({ front: cutter.front, sale: 'pressed', timeoutMs: 0 });
  t.after(() => impatient.stop());
  await impatient.join();
  await event(impatient, 'ticket', ({ state }) => state === 'called');
  await impatient.claim();
  impatient.stop();
  cutter.cutAnswers('POST /v1/sales/pressed/reservations', 1);
  await assert.rejects(impatient.reserve(request), { code: 'no_answer' });
  const held = await impatient.reserve(request);
  await visitor.reserve(request);
  const { items: [item] } = await server.admin('GET', '/sales/pressed/stats');
  assert.equal(item.held, 2, JSON.stringify(item));
  assert.equal((await impatient.resume()).reservation.id, held.id);
});

test('an extension whose answer is lost is not asked for twice', async (t) => {
  const visitor = await admitted(t, 'extend', { reservation: { max_extensions: 1 } });
  const held = await visitor.reserve(request);
  cutter.cutAnswers('POST /v1/reservations/' + held.id + '/extend', 1);
  const longer = await visitor.extend(held);
  assert.equal(longer.extensions, 1);
  assert.ok(Date.parse(longer.expires_at) > Date.parse(held.expires_at));
  await assert.rejects(visitor.extend(longer), { code: 'extension_refused' });
});

test('a poll whose answer is lost is asked again', async (t) => {
  await server.openSale('poll');
  const visitor = connect({ front: cutter.front, sale: 'poll' });
  t.after(() => visitor.stop());
  await visitor.join();
  cutter.cutAnswers('GET /v1/sales/poll/ticket', 2);
  assert.equal((await event(visitor, 'problem')).code, 'no_answer');
  await event(visitor, 'ticket', ({ state }) => state === 'called');
});

test('the key of an unanswered request outlives a reload, and says nothing of the customer', async () => {
  const storage = {};
  const keys = [];
  let answer = () => problem(503, 'unavailable');
  const load = () => openPage(({ headers }) => { keys.push(headers['Idempotency-Key']); return answer(); }, { storage }).connect({ timeoutMs: 0 });
  await assert.rejects(load().reserve(request));
  assert.doesNotMatch(JSON.stringify(storage), /ada/);
  await assert.rejects(load().reserve(request));
  assert.equal(keys[1], keys[0]);
  await assert.rejects(load().reserve({ ...request, customer: 'bob@example.com' }));
  assert.notEqual(keys[2], keys[0], 'another request');
  answer = () => problem(409, 'sold_out');
  await assert.rejects(load().reserve({ ...request, customer: 'bob@example.com' }));
  assert.equal(keys[3], keys[2]);
  await assert.rejects(load().reserve({ ...request, customer: 'bob@example.com' }));
  assert.notEqual(keys[4], keys[3], 'it was answered');
  for (const key of keys) assert.match(key, /^[\x21-\x7e]{8,255}$/);
});
