// Waiting without holding the VU: other visitors of the group go on meanwhile.
import { setTimeout } from 'k6/timers';

export function sleep(millis) {
  return new Promise((resolve) => { setTimeout(resolve, Math.max(0, millis)); });
}

// jitter spreads a wait by ±10 %, so that those told the same do not come back as one.
export function jitter(millis) {
  return millis * (0.9 + 0.2 * Math.random());
}
