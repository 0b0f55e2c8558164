// From a reservation to an accepted order. Accepted means 202 (or 200 to a repeat): from then on it must never be lost.
import { settings } from './settings.js';
import * as metrics from './metrics.js';
import { call, ensure, insist } from './contract.js';
import { credentials } from './credentials.js';
import { sleep } from './wait.js';

const clockSlackMillis = 1500;
const orderStates = ['queued', 'committed', 'payment_pending', 'paid'];

function orderRequest(visitor, reservation, key) {
  return {
    method: 'POST', path: '/v1/orders',
    headers: credentials(visitor, { 'Idempotency-Key': key }),
    body: {
      reservation: reservation.id,
      customer: { id: visitor.id, email: `${visitor.id}@example.com`, name: 'Ada Example' },
      payment: { reference: `pay-${visitor.id}` },
      metadata: { source: 'load test' },
    },
  };
}

// order returns the visitor's outcome.
export async function order(visitor, reservation) {
  const key = `${visitor.id}-o`;
  const expiresAt = Date.parse(reservation.expires_at);
  const allowed = { 202: true };
  if (settings.allowOutage) { // the outage may outlast the hold, or lose a reservation that was only "journaled soon"
    allowed[410] = ['reservation_expired'];
    allowed[404] = ['unknown_reservation'];
  } else if (Date.now() > expiresAt - clockSlackMillis) {
    allowed[410] = ['reservation_expired'];
  }
  const again = { 200: true, 410: ['reservation_expired'] };
  const answer = await insist('order', orderRequest(visitor, reservation, key), allowed, visitor.deadline, again);
  if (answer.status === 404) metrics.lostReservations.add(1);
  if (answer.status !== 202 && answer.status !== 200) return answer.code || 'no_answer';
  metrics.orderLatency.add(answer.millis);
  metrics.ordersAccepted.add(1);
  ensure('order', answer.body.id && orderStates.includes(answer.body.status), 'an order tells id and status', answer.body);
  record(visitor, reservation, answer.body.id);
  if (visitor.replays) await orderAgain(visitor, reservation, key, answer.body.id);
  return 'ordered';
}

// record leaves one line for each accepted order, from which the runner looks every single one up in the ledger.
function record(visitor, reservation, id) {
  if (!settings.logAccepted) return;
  const line = { kind: 'order', id, reservation: reservation.id, customer: visitor.id, sku: visitor.sku, quantity: 1, at: Date.now() };
  console.log(JSON.stringify(line));
}

async function orderAgain(visitor, reservation, key, id) {
  const answer = await call('order_again', orderRequest(visitor, reservation, key), { 200: true });
  if (answer.status === 200) ensure('order_again', answer.body.id === id, 'the same key gives the same order', answer.body);
  const request = { method: 'GET', path: `/v1/orders/${id}`, headers: credentials(visitor) };
  const seen = await call('order_status', request, { 200: true });
  if (seen.status !== 200) return;
  const same = seen.body.id === id && seen.body.reservation === reservation.id && orderStates.includes(seen.body.status);
  ensure('order_status', same, 'an accepted order can be looked up', seen.body);
}

// orderTooLate is what a dawdler does: the hold is over, and the units belong to someone else.
export async function orderTooLate(visitor, reservation) {
  await sleep(Date.parse(reservation.expires_at) - Date.now() + clockSlackMillis);
  const allowed = { 410: ['reservation_expired'] };
  if (settings.allowOutage) allowed[404] = ['unknown_reservation'];
  const request = orderRequest(visitor, reservation, `${visitor.id}-late`);
  const answer = await insist('order_too_late', request, allowed, visitor.deadline + 60000);
  if (answer.status === 410) metrics.expiredAnswers.add(1);
  return 'dawdled';
}
