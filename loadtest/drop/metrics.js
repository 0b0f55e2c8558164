// What is measured, and what fails a run.
import { Counter, Trend } from 'k6/metrics';

import { settings } from './settings.js';

export const timeToCalled = new Trend('time_to_called', true);
export const joinLatency = new Trend('join_latency', true);
export const pollLatency = new Trend('poll_latency', true);
export const claimLatency = new Trend('claim_latency', true);
export const reserveLatency = new Trend('reserve_latency', true);
export const orderLatency = new Trend('order_latency', true);

export const visitors = new Counter('visitors');
export const outcomes = new Counter('outcomes'); // tagged by outcome; one of the counters below as well
export const polls = new Counter('polls');
export const passes = new Counter('passes');
export const reservations = new Counter('reservations_accepted');
export const ordersAccepted = new Counter('orders_accepted');
export const soldOutAnswers = new Counter('sold_out_answers');
export const limitAnswers = new Counter('limit_answers');
export const expiredAnswers = new Counter('expired_answers');
export const missedTurns = new Counter('missed_turns'); // of visitors who polled as told; ghosts are not counted
export const turnedAway = new Counter('turned_away'); // 503 and 429 that the contract allows; retried
export const lostReservations = new Counter('lost_reservations'); // forgotten by a killed server; only with ALLOW_OUTAGE
export const outageFailures = new Counter('outage_failures'); // no answer, or 5xx, while a server is down on purpose
export const serverErrors = new Counter('server_errors_5xx'); // 5xx that the contract does not name
export const unexpectedStatus = new Counter('unexpected_status'); // an answer the contract does not allow in that state
export const contractBroken = new Counter('contract_broken'); // the right status with a wrong content

const outcomeNames = ['ordered', 'sold_out', 'held_out', 'gave_up', 'left', 'ghost', 'missed', 'dawdled', 'released'];

export function thresholds() {
  const limits = {
    unexpected_status: ['count==0'],
    contract_broken: ['count==0'],
    server_errors_5xx: ['count==0'],
    dropped_iterations: ['count==0'],
    visitors: ['count>0'],
  };
  for (const outcome of outcomeNames) limits[`outcomes{outcome:${outcome}}`] = ['count>=0']; // only to have them in the summary
  if (settings.stock > 0) limits.orders_accepted = [`count<=${settings.stock}`];
  for (const [call, millis] of Object.entries(settings.p99Millis)) {
    if (millis > 0) limits[`${call}_latency`] = [`p(99)<${millis}`];
  }
  return limits;
}

// Failures are told in full on the console, but not without end.
const toldPerVU = 3;
let told = 0;

export function tell(kind, details) {
  if (told++ < toldPerVU) console.warn(JSON.stringify({ kind, at: new Date().toISOString(), ...details }));
}
