// One visitor's way: join, wait as told, claim, think, reserve, order. What they are like is drawn at the door.
import { settings } from './settings.js';
import * as metrics from './metrics.js';
import { buy } from './buyer.js';
import { call, ensure, insist } from './contract.js';
import { credentials } from './credentials.js';
import { jitter, sleep } from './wait.js';

const sale = `/v1/sales/${settings.sale}`;
const maxPollMillis = 10 * 60 * 1000; // a longer wait than this is not a poll, it is a brush-off

export async function visit(n, { sku }) {
  metrics.visitors.add(1);
  const visitor = arrive(n, sku);
  const outcome = (await join(visitor)) && (await wait(visitor)) ? await buy(visitor) : visitor.outcome;
  metrics.outcomes.add(1, { outcome });
}

function arrive(n, sku) {
  const share = settings.share;
  const habit = pick(['leave', 'ghost', 'dawdle', 'release', 'greedy', 'mismatch'], share);
  const now = Date.now();
  return {
    id: `${settings.run}-${n}`, // the customer, and the stem of all idempotency keys
    sku, habit,
    replays: Math.random() < share.replay,
    usesCookies: Math.random() < share.cookie,
    arrivedAt: now,
    deadline: now + 1000 * settings.patienceSeconds,
    ticket: '', pass: '', place: 0, ahead: 0, outcome: 'gave_up',
  };
}

// pick draws one habit at its share; the rest just buy.
function pick(habits, share) {
  let draw = Math.random();
  for (const habit of habits) {
    if ((draw -= share[habit]) < 0) return habit;
  }
  return 'buy';
}

async function join(visitor) {
  const request = () => ({ method: 'POST', path: `${sale}/tickets`, headers: credentials(visitor) });
  const answer = await insist('join', request(), { 201: true, 409: ['sale_not_open'] }, visitor.deadline, { 200: true });
  if (answer.status !== 201 && answer.status !== 200) {
    visitor.outcome = answer.code || 'no_answer';
    return false;
  }
  metrics.joinLatency.add(answer.millis);
  const view = answer.body || {};
  if (!ensure('join', typeof view.ticket === 'string' && view.ticket.length > 0, 'join answers a ticket', view)) return false;
  visitor.ticket = view.ticket;
  visitor.pollAfterMillis = checkView('join', view, visitor);
  if (visitor.replays) await joinAgain(visitor, request());
  return true;
}

async function joinAgain(visitor, request) {
  const answer = await call('join_again', request, { 200: true, 409: ['sale_not_open'] });
  if (answer.status !== 200) return;
  const sameLine = answer.body.state !== 'waiting' || visitor.place === 0 || answer.body.place <= visitor.place;
  ensure('join_again', sameLine, 'a ticket presented again keeps its place', { before: visitor.place, body: answer.body });
}

// checkView holds a ticket's view against the contract and returns the wait it tells, in milliseconds.
function checkView(name, view, visitor) {
  const after = view.poll_after_ms;
  const closed = ['sold_out', 'ended', 'missed', 'admitted', 'called'].includes(view.state);
  ensure(name, closed || (after > 0 && after <= maxPollMillis), 'poll_after_ms is a sane wait', view);
  if (view.state !== 'waiting') {
    visitor.place = 0;
    return after || 1000;
  }
  const { p50, p90 } = view.eta_seconds || {};
  ensure(name, p50 === undefined || p90 >= p50, 'the ETA is a range', view);
  const before = { place: visitor.place, ahead: visitor.ahead };
  if (before.place > 0) {
    ensure(name, view.place <= before.place && view.ahead <= before.ahead, 'a place never gets worse', { before, view });
  }
  visitor.place = view.place;
  visitor.ahead = view.ahead;
  return after || 1000;
}

// wait polls as told until the visitor holds a pass; false = they left, and visitor.outcome says why.
async function wait(visitor) {
  const leavesAfterPolls = 1 + Math.floor(3 * Math.random());
  let heldOutSince = 0;
  let lastClaim = '';
  for (let polls = 0; ; polls++) {
    if (polls >= leavesAfterPolls && visitor.habit === 'ghost') return leave(visitor, 'ghost');
    if (polls >= leavesAfterPolls && visitor.habit === 'leave') return leaveLine(visitor);
    const waitMillis = jitter(visitor.pollAfterMillis);
    if (Date.now() + waitMillis > visitor.deadline) return leave(visitor, 'gave_up');
    await sleep(waitMillis);
    const state = await poll(visitor);
    if (state === 'called' || state === 'admitted') {
      lastClaim = await claim(visitor, state);
      if (visitor.pass) return true;
      if (lastClaim === 'turn_missed') return missed(visitor);
    }
    if (state === 'missed') return missed(visitor);
    if (state === 'sold_out' || state === 'ended') return leave(visitor, state);
    if (state !== 'held_out') heldOutSince = 0;
    else if (heldOutSince === 0) heldOutSince = Date.now();
    else if (Date.now() - heldOutSince > 1000 * settings.heldOutPatienceSeconds) return leave(visitor, 'held_out');
  }
}

function leave(visitor, outcome) {
  visitor.outcome = outcome;
  return false;
}

function missed(visitor) {
  metrics.missedTurns.add(1);
  return leave(visitor, 'missed');
}

const states = ['early', 'waiting', 'called', 'admitted', 'missed', 'paused', 'held_out', 'sold_out', 'ended'];

async function poll(visitor) {
  const request = { method: 'GET', path: `${sale}/ticket`, headers: credentials(visitor) };
  const answer = await insist('poll', request, { 200: true }, visitor.deadline);
  metrics.polls.add(1);
  if (answer.status !== 200) return '';
  metrics.pollLatency.add(answer.millis);
  const view = answer.body || {};
  ensure('poll', states.includes(view.state), 'the state is one of the contract', view);
  visitor.pollAfterMillis = checkView('poll', view, visitor);
  if (view.state === 'called') {
    ensure('poll', Date.parse(view.claim_before) > 0, 'a called ticket is told claim_before', view);
    if (!visitor.calledAt) metrics.timeToCalled.add((visitor.calledAt = Date.now()) - visitor.arrivedAt);
  }
  return view.state;
}

// claim turns a called ticket into a pass; it returns the refusal's code, or ''.
async function claim(visitor, state) {
  const request = () => ({ method: 'POST', path: `${sale}/passes`, headers: credentials(visitor) });
  const allowed = {
    201: true, 200: true, 410: ['turn_missed'],
    409: ['not_called', 'sale_paused', 'sold_out', 'sale_not_open'],
  };
  if (state === 'called' && !visitor.claimedBefore) delete allowed[200]; // the first claim makes a new pass
  visitor.claimedBefore = true;
  const answer = await insist('claim', request(), allowed, visitor.deadline, { 200: true });
  if (answer.code === 'not_called') {
    const after = answer.body.poll_after_ms;
    ensure('claim', after > 0, 'not_called tells poll_after_ms', answer.body);
    visitor.pollAfterMillis = after || 1000;
  }
  if (answer.status !== 201 && answer.status !== 200) return answer.code;
  metrics.claimLatency.add(answer.millis);
  metrics.passes.add(1);
  const whole = typeof answer.body.pass === 'string' && Date.parse(answer.body.expires_at) > 0;
  if (!ensure('claim', whole, 'a claim answers pass and expires_at', answer.body)) return '';
  if (visitor.replays) await claimAgain(visitor, request(), answer.body.pass);
  visitor.pass = answer.body.pass;
  visitor.passExpiresAt = Date.parse(answer.body.expires_at);
  return '';
}

async function claimAgain(visitor, request, pass) {
  const answer = await call('claim_again', request, { 200: true });
  if (answer.status === 200) {
    ensure('claim_again', answer.body.pass === pass, 'the same ticket gives the same pass', answer.body);
  }
}

async function leaveLine(visitor) {
  const request = { method: 'DELETE', path: `${sale}/ticket`, headers: credentials(visitor) };
  await insist('leave', request, { 204: true }, visitor.deadline);
  return leave(visitor, 'left');
}
