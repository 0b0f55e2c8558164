// The client against a running server, in Node, which keeps no cookies: credentials travel as headers.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { called, connect, event, PenstockError } from './support/client.mjs';
import { eventually, startPenstock } from './support/penstock.mjs';

let server;
before(async () => { server = await startPenstock(); });
after(() => server.stop());

/** A visitor who goes away after the test. */
function visit(t, sale, options) {
  const client = connect({ front: server.front, sale, ...options });
  t.after(() => client.stop());
  return client;
}
const oneOf = (customer) => ({ customer, items: [{ sku: 'A', quantity: 1 }] });
const rejects = (promise, code) => assert.rejects(promise, (e) => {
  assert.ok(e instanceof PenstockError && e instanceof Error);
  assert.equal(e.code, code);
  return true;
});

test('a visitor gets from the line to a committed order', async (t) => {
  await server.openSale('journey');
  const visitor = visit(t, 'journey');
  const states = [];
  visitor.addEventListener('state', ({ detail }) => states.push(detail.state));

  const sale = await visitor.sale();
  assert.equal(sale.items[0].sku, 'A');
  await called(visitor);
  const pass = await visitor.claim();
  assert.ok(visitor.msUntil(pass.expires_at) > 60_000);
  assert.equal((await visitor.claim()).pass, pass.pass);
  await event(visitor, 'state', ({ state }) => state === 'admitted');

  const held = await visitor.reserve(oneOf('ada'));
  assert.equal(held.status, 'held');
  const longer = await visitor.extend(held);
  assert.equal(longer.extensions, 1);
  const order = await visitor.order({ reservation: held.id, customer: { email: 'ada@example.com' } });
  await eventually('the order is committed', async () => (await visitor.orderStatus(order)).status === 'committed');
  assert.deepEqual(states.slice(-2), ['called', 'admitted']);
});

test('a pass is renewed as often as the sale allows, and holds', async (t) => {
  await server.openSale('renewal', { admission: { rate_per_minute: 6000, max_active: 100, renewal: { by: '5m', max: 1 } } });
  const visitor = visit(t, 'renewal');
  await called(visitor);
  const pass = await visitor.claim();
  const renewed = await visitor.renew();
  assert.equal(Date.parse(renewed.expires_at) - Date.parse(pass.expires_at), 300_000);
  assert.equal(renewed.renewals_left, 0);
  assert.equal((await visitor.reserve(oneOf('ada'))).status, 'held');
  await rejects(visitor.renew(), 'renewal_refused');

  await server.openSale('short');
  const other = visit(t, 'short');
  await called(other);
  await other.claim();
  await rejects(other.renew(), 'renewal_refused');
});

test('two reservations that are asked for one after the other are two', async (t) => {
  await server.openSale('two', { reservation: { per_customer: 5 }, items: [{ sku: 'A', stock: 10, per_customer: 5 }] });
  const visitor = visit(t, 'two');
  await called(visitor);
  await visitor.claim();
  const first = await visitor.reserve(oneOf('ada')), second = await visitor.reserve(oneOf('ada'));
  assert.notEqual(first.id, second.id);
  await visitor.release(first);
  await visitor.release(first); // again is no error
});

test('a refusal says its code and the members that belong to it', async (t) => {
  await server.openSale('refusal', { items: [{ sku: 'A', stock: 2 }] });
  const [ada, bob] = [visit(t, 'refusal'), visit(t, 'refusal')];
  await rejects(ada.claim(), 'ticket_required');
  await called(ada);
  await called(bob);
  await rejects(ada.reserve(oneOf('ada')), 'pass_required');
  await ada.claim();
  await bob.claim();
  await ada.reserve({ customer: 'ada', items: [{ sku: 'A', quantity: 2 }] });
  await assert.rejects(bob.reserve(oneOf('bob')), (e) => {
    assert.equal(e.code, 'sold_out');
    assert.equal(e.status, 409);
    assert.equal(e.problem.may_return, true);
    assert.match(e.message, /\w/);
    return true;
  });
  await rejects(visit(t, 'none').join(), 'unknown_sale');
});

test('joining again keeps the place, and two calls at a time take one', async (t) => {
  await server.openSale('again', { admission: { rate_per_minute: 1, max_active: 1 } });
  await visit(t, 'again').join(); // somebody is in front
  const visitor = visit(t, 'again');
  const [first, second] = await Promise.all([visitor.join(), visitor.join()]);
  assert.equal(first.ticket, second.ticket);
  assert.equal((await visitor.join()).place, first.place);
});

test('a visitor who leaves has no place, and gets a new one when asking for it', async (t) => {
  await server.openSale('leave', { admission: { rate_per_minute: 1, max_active: 1 } });
  await visit(t, 'leave').join();
  const visitor = visit(t, 'leave');
  const place = await visitor.join();
  const none = event(visitor, 'state', ({ state }) => state === 'none');
  await visitor.leave();
  assert.equal((await none).before, place.state);
  assert.deepEqual(await visitor.resume(), { ticket: undefined, reservation: undefined, order: undefined });
  assert.notEqual((await visitor.join()).ticket, place.ticket);
});

test('who missed their turn gets a new place by joining', async (t) => {
  await server.openSale('missed', { admission: { rate_per_minute: 60_000, max_active: 10, claim_window: '1s' } });
  const visitor = visit(t, 'missed');
  const before = await visitor.join();
  await event(visitor, 'state', ({ state }) => state === 'missed');
  const next = await visitor.join();
  assert.notEqual(next.ticket, before.ticket);
  assert.notEqual(next.state, 'missed');
});

test('who missed their turn and asks soon is admitted with the same ticket', async (t) => {
  await server.openSale('late', { admission: { rate_per_minute: 60_000, max_active: 10, claim_window: '3s' } });
  const visitor = visit(t, 'late');
  const before = await visitor.join();
  await event(visitor, 'state', ({ state }) => state === 'missed');
  await visitor.claim();
  const { ticket } = await visitor.resume();
  assert.deepEqual([ticket.ticket, ticket.state], [before.ticket, 'admitted']);
});

test('a claim before the turn is refused at once, and says when to come back', async (t) => {
  await server.openSale('full', { admission: { rate_per_minute: 60_000, max_active: 1 } });
  const first = visit(t, 'full');
  await called(first);
  await first.claim();
  const late = visit(t, 'full');
  await late.join();
  await assert.rejects(late.claim(), (e) => e.code === 'not_called' && e.retryAfterMs > 0);
});

test('an open sale is bought from without a pass', async (t) => {
  await server.openSale('open', { admission: { mode: 'open' } });
  const visitor = visit(t, 'open');
  const held = await visitor.reserve(oneOf('ada'));
  const order = await visitor.order({ reservation: held.id, customer: { email: 'ada@example.com' } });
  assert.equal(order.reservation, held.id);
});
