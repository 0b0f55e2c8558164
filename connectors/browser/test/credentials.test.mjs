// Where the credentials are: in cookies where they arrive, otherwise in headers, kept as the browser allows.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openPage, problem, ticket } from './support/page.mjs';

const reservation = { id: 'rsv_1', sale: 'spring', status: 'held', items: [], extensions: 0, expires_at: '2026-12-01T10:05:00Z' };
const request = { customer: 'ada@example.com', items: [{ sku: 'A', quantity: 1 }] };

/** A front that cookies reach, or not. */
const front = (cookies) => ({ method, path, headers }) => {
  const known = cookies || headers['Penstock-Ticket'];
  if (path.endsWith('/tickets')) return { ...ticket('called'), status: 201 };
  if (path.endsWith('/ticket')) return known ? ticket('called') : problem(401, 'ticket_required');
  if (path.endsWith('/passes')) return known ? { status: 201, doc: { pass: 'P1', expires_at: '2026-12-01T10:10:00Z' } } : problem(401, 'ticket_required');
  if (path.endsWith('/reservations')) return cookies || headers['Penstock-Pass'] ? { status: 201, doc: reservation } : problem(401, 'pass_required');
  if (method === 'DELETE') return { status: 204 };
  return { doc: reservation };
};

test('where cookies arrive, nothing secret is in the storage, and no header needs a preflight for a poll', async () => {
  const storage = {};
  const page = openPage(front(true), { storage });
  const client = page.connect();
  client.join();
  await page.pass(3_000);
  await page.outcome(client.claim());
  await page.outcome(client.reserve(request));
  for (const one of page.requests) assert.equal(one.credentials, 'include');
  assert.deepEqual(page.requests.find(({ path }) => path.endsWith('/ticket')).headers, {});
  assert.doesNotMatch(JSON.stringify(storage), /T1|P1|ada@/);
  assert.match(JSON.stringify(storage), /rsv_1/);
});

test('where cookies do not arrive, the credentials travel as headers, after a reload too', async () => {
  const storage = {};
  const first = openPage(front(false), { storage });
  const client = first.connect();
  client.join();
  await first.pass(3_000);
  await first.outcome(client.claim());
  assert.equal(first.requests.filter(({ headers }) => headers['Penstock-Ticket'] === 'T1').length, 2);

  const second = openPage(front(false), { storage });
  const back = second.connect();
  const { value } = await second.outcome(back.resume());
  assert.equal(value.ticket.state, 'called');
  assert.equal(second.requests[0].headers['Penstock-Ticket'], 'T1');
  await second.outcome(back.reserve(request));
  assert.equal(second.requests.at(-1).headers['Penstock-Pass'], 'P1');
});

test('where nothing may be stored, everything works until the page is left', async () => {
  const page = openPage(front(false), { storage: null });
  const client = page.connect();
  client.join();
  await page.pass(3_000);
  await page.outcome(client.claim());
  assert.equal((await page.outcome(client.reserve(request))).value.id, 'rsv_1');
});

test('when cookies stop arriving, the credentials travel as headers and are kept', async () => {
  const storage = {};
  let arrive = true;
  const page = openPage((request) => front(arrive)(request), { storage });
  const client = page.connect();
  client.join();
  await page.pass(3_000);
  assert.doesNotMatch(JSON.stringify(storage), /T1/);
  arrive = false;
  assert.equal((await page.outcome(client.claim())).value.pass, 'P1');
  assert.match(JSON.stringify(storage), /T1.*P1/);
  assert.deepEqual(page.of('state').map(({ detail }) => detail.state), ['called']);
});

test('a place is not taken twice before it is known whether cookies arrive', async () => {
  const page = openPage(front(false));
  const client = page.connect();
  await page.outcome(client.join());
  await page.outcome(client.join());
  assert.equal(page.requests[0].headers['Penstock-Ticket'], undefined);
  assert.equal(page.requests[1].headers['Penstock-Ticket'], 'T1');
});

test('a ticket of an earlier sale of the same name is replaced', async () => {
  const storage = { 'penstock https://queue.shop.example/v1/ spring': JSON.stringify({ ticket: 'T0', pass: 'P0' }) };
  const page = openPage(({ headers }) => (headers['Penstock-Ticket'] === 'T0' ? problem(403, 'ticket_invalid') : ticket('waiting')), { storage });
  const { value } = await page.outcome(page.connect().join());
  assert.equal(value.ticket, 'T1');
  assert.doesNotMatch(JSON.stringify(storage), /T0|P0/);
});

test('the proof of a reservation in an open sale goes with what needs it, also when no place was taken', async () => {
  const storage = {};
  const page = openPage(({ path, headers, method }) => {
    if (path.endsWith('/reservations')) return { status: 201, doc: reservation, headers: { 'Penstock-Holder': 'H1' } };
    if (headers['Penstock-Holder'] !== 'H1') return problem(401, 'holder_required');
    return method === 'DELETE' ? { status: 204 } : { doc: { ...reservation, extensions: 1 } };
  }, { storage });
  const client = page.connect();
  const held = (await page.outcome(client.reserve(request))).value;
  assert.equal((await page.outcome(client.extend(held))).value.extensions, 1);
  await page.outcome(client.order({ reservation: held.id, customer: {} }));
  assert.equal(page.requests.at(-1).headers['Penstock-Holder'], 'H1');
  assert.equal(page.requests.at(-1).path, '/v1/orders');
  await page.outcome(client.release({ id: 'rsv_2' }));
  assert.equal(page.requests.at(-1).headers['Penstock-Holder'], undefined, 'the proof of another reservation');
});

test('the document for all is asked for without credentials, as browsers demand', async () => {
  const page = openPage(() => ({ doc: { sale: 'spring' } }));
  await page.outcome(page.connect().sale());
  assert.equal(page.requests[0].credentials, 'omit');
  assert.equal(page.requests[0].url, 'https://queue.shop.example/v1/sales/spring');
});

test('a front below a path of the shop is called there', async () => {
  const page = openPage(() => ({ doc: {} }));
  await page.outcome(page.connect({ front: 'https://shop.example/queue' }).sale());
  assert.equal(page.requests[0].url, 'https://shop.example/queue/v1/sales/spring');
});
