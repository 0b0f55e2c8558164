// A visitor with a pass: reserves, thinks, and orders; or does one of the things that people do instead.
import { settings } from './settings.js';
import * as metrics from './metrics.js';
import { call, ensure, insist } from './contract.js';
import { credentials } from './credentials.js';
import { order, orderTooLate } from './orderer.js';
import { jitter, sleep } from './wait.js';

const clockSlackMillis = 1500; // between this clock and the server's, and the time an answer travels
const retryHeldOutMillis = 2000;

// buy returns the visitor's outcome.
export async function buy(visitor) {
  await think();
  const reservation = await reserve(visitor);
  if (!reservation) {
    await givePassBack(visitor);
    return visitor.outcome;
  }
  if (visitor.habit === 'dawdle') return orderTooLate(visitor, reservation);
  await think();
  if (visitor.habit === 'release') {
    await release(visitor, reservation);
    await givePassBack(visitor);
    return 'released';
  }
  const outcome = await order(visitor, reservation);
  await givePassBack(visitor);
  return outcome;
}

function think() {
  return sleep(-Math.log(1 - Math.random()) * 1000 * settings.thinkSeconds); // exponential, as arrivals at a till are
}

function reservationRequest(visitor, quantity, key) {
  return {
    method: 'POST', path: `/v1/sales/${settings.sale}/reservations`,
    headers: credentials(visitor, { 'Idempotency-Key': key }),
    body: { customer: visitor.id, items: [{ sku: visitor.sku, quantity }] },
  };
}

// reserve holds one unit, trying on for a while when all are held; null = none to be had, visitor.outcome says why.
async function reserve(visitor) {
  if (visitor.habit === 'greedy' && settings.perCustomer > 0) await reserveTooMany(visitor);
  const until = Math.min(visitor.deadline, Date.now() + 1000 * settings.heldOutPatienceSeconds);
  for (let attempt = 1; ; attempt++) {
    const key = `${visitor.id}-r${attempt}`; // a refused key stays refused: another try is another key
    const answer = await insist('reserve', reservationRequest(visitor, 1, key), mayRefuse(visitor), visitor.deadline);
    if (answer.status === 201) return held(visitor, answer, key);
    visitor.outcome = answer.code || 'no_answer';
    const mayReturn = answer.code === 'sold_out' && answer.body.may_return === true;
    if (answer.code === 'sold_out') {
      metrics.soldOutAnswers.add(1);
      ensure('reserve', typeof answer.body.may_return === 'boolean', 'sold_out tells may_return', answer.body);
    }
    const goesOn = mayReturn || answer.code === 'sale_paused';
    if (!goesOn || Date.now() + retryHeldOutMillis > Math.min(until, visitor.passExpiresAt)) return null;
    await sleep(jitter(retryHeldOutMillis));
  }
}

// mayRefuse: the refusals that are right for an honest visitor; the pass may have lapsed while they tried.
function mayRefuse(visitor) {
  const allowed = { 201: true, 409: ['sold_out', 'sale_paused', 'sale_not_open'] };
  if (Date.now() > visitor.passExpiresAt - clockSlackMillis) allowed[403] = ['pass_invalid'];
  return allowed;
}

async function held(visitor, answer, key) {
  metrics.reserveLatency.add(answer.millis);
  metrics.reservations.add(1);
  const reservation = answer.body;
  const whole = reservation.id && reservation.status === 'held' && reservation.sale === settings.sale
    && reservation.durability && Date.parse(reservation.expires_at) > Date.now() - clockSlackMillis
    && reservation.items.length === 1 && reservation.items[0].sku === visitor.sku && reservation.items[0].quantity === 1;
  ensure('reserve', whole, 'a reservation tells id, sale, status, items, expires_at, durability', reservation);
  if (visitor.replays) await reserveAgain(visitor, reservation, key);
  if (visitor.habit === 'mismatch') {
    const allowed = { 422: ['idempotency_mismatch'] };
    await call('reserve_mismatch', reservationRequest(visitor, 2, key), allowed);
  }
  return reservation;
}

async function reserveAgain(visitor, reservation, key) {
  const answer = await call('reserve_again', reservationRequest(visitor, 1, key), { 201: true, 200: true });
  if (answer.status === 201 || answer.status === 200) {
    ensure('reserve_again', answer.body.id === reservation.id, 'the same key gives the same reservation', answer.body);
  }
}

// reserveTooMany asks for more than a customer may have: refused, whether or not any are left.
async function reserveTooMany(visitor) {
  const request = reservationRequest(visitor, settings.perCustomer + 1, `${visitor.id}-greedy`);
  const allowed = { 409: ['limit_exceeded', 'sold_out', 'sale_paused', 'sale_not_open'] };
  const answer = await insist('reserve_too_many', request, allowed, visitor.deadline);
  if (answer.code === 'limit_exceeded') metrics.limitAnswers.add(1);
}

async function release(visitor, reservation) {
  const path = `/v1/reservations/${reservation.id}`;
  const request = (method) => ({ method, path, headers: credentials(visitor) });
  const allowed = { 204: true };
  if (Date.now() > Date.parse(reservation.expires_at) - clockSlackMillis) allowed[410] = ['reservation_expired'];
  if (settings.allowOutage) allowed[404] = ['unknown_reservation'];
  const answer = await insist('release', request('DELETE'), allowed, visitor.deadline, { 409: ['already_resolved'] });
  if (answer.status !== 204 || !visitor.replays) return;
  const seen = await call('reservation', request('GET'), { 200: true });
  if (seen.status === 200) ensure('reservation', seen.body.status === 'released', 'a released reservation says so', seen.body);
}

// givePassBack: the shop tells Penstock that this visitor is done, and the slot goes to the next in line.
async function givePassBack(visitor) {
  const request = { method: 'DELETE', path: `/v1/sales/${settings.sale}/pass`, headers: credentials(visitor) };
  const allowed = { 204: true };
  if (Date.now() > visitor.passExpiresAt - clockSlackMillis) allowed[403] = ['pass_invalid'];
  await insist('pass_back', request, allowed, visitor.deadline, { 403: ['pass_invalid'] });
}
