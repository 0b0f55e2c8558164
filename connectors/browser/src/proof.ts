// proof.mjs: solves challenges of proof of work, loaded when one is asked for. It is its own worker.
//
// The hash is made here, not by crypto.subtle: that has to be waited for with each try, and is there over HTTPS alone.
// So a browser tries as many numbers as its processor can.
import type { PenstockError, Ticket } from '../client';

/** A challenge as the front gives it, in ALTCHA's shape. */
export interface Challenge { algorithm: string; challenge: string; salt: string; maxnumber: number; signature: string }

/** Is told how much has been tried, from 0 to 1. */
type Progress = (part: number) => void;

// The constants of SHA-256 (FIPS 180-4): 32 bits of the fractional parts of the roots of the first primes.
const primes: number[] = [];
for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
const bits = (root: number) => (root - Math.floor(root)) * 2 ** 32 | 0;
const rounds = Int32Array.from(primes, (p) => bits(p ** (1 / 3)));
const start = Int32Array.from(primes.slice(0, 8), (p) => bits(p ** 0.5));

const w = new Int32Array(64);

/** Works a block of 64 bytes, which begins at a position of the bytes, into a state; the new one is in to. */
function work(state: Int32Array, bytes: DataView, at: number, to: Int32Array) {
  for (let i = 0; i < 16; i++) w[i] = bytes.getInt32(at + 4 * i);
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15], y = w[i - 2];
    w[i] = w[i - 16] + w[i - 7] + ((x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3) + ((y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10);
  }
  let a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
  for (let i = 0; i < 64; i++) {
    const t = h + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) + (e & f ^ ~e & g) + rounds[i] + w[i] | 0;
    const u = ((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) + (a & b ^ a & c ^ b & c) | 0;
    h = g; g = f; f = e; e = d + t | 0; d = c; c = b; b = a; a = t + u | 0;
  }
  to[0] = state[0] + a; to[1] = state[1] + b; to[2] = state[2] + c; to[3] = state[3] + d;
  to[4] = state[4] + e; to[5] = state[5] + f; to[6] = state[6] + g; to[7] = state[7] + h;
}

/** Returns a function that tries the numbers of a range and tells the one that solves the challenge, or -1. */
function openSearch({ salt, challenge }: Challenge) {
  const wanted = Array.from({ length: 8 }, (_, i) => parseInt(challenge.substr(8 * i, 8), 16) | 0);
  const whole = salt.length & ~63; // of the salt, hashed once
  const bytes = new Uint8Array(salt.length + 96), view = new DataView(bytes.buffer);
  for (let i = 0; i < salt.length; i++) bytes[i] = salt.charCodeAt(i);
  const before = start.slice(), state = start.slice();
  for (let at = 0; at < whole; at += 64) work(before, view, at, before);

  return (from: number, to: number): number => {
    for (let number = from; number < to; number++) {
      const digits = '' + number;
      let length = salt.length;
      for (let i = 0; i < digits.length; i++) bytes[length++] = digits.charCodeAt(i);
      const end = length + 9 + 63 & ~63;
      bytes.fill(0, length, end);
      bytes[length] = 128;
      view.setInt32(end - 4, length * 8);
      state.set(before);
      for (let at = whole; at < end; at += 64) work(state, view, at, state);
      if (state[0] === wanted[0] && state.every((word, i) => word === wanted[i])) return number;
    }
    return -1;
  };
}

const step = 2000; // numbers between two looks at what else there is to do

/** Searches here, and lets the page live in between. */
async function search(challenge: Challenge, progress: Progress): Promise<number> {
  const find = openSearch(challenge);
  for (let from = 0; from <= challenge.maxnumber; from += step) {
    const found = find(from, Math.min(from + step, challenge.maxnumber + 1));
    if (found >= 0) return found;
    progress(from / challenge.maxnumber);
    await new Promise((done) => setTimeout(done));
  }
  throw new Error('the challenge has no solution');
}

/** Searches in a worker. It rejects where there can be none. */
function searchBeside(challenge: Challenge, progress: Progress): Promise<number> {
  return new Promise((found, failed) => {
    const source = import.meta.url;
    // A worker is of the page's own origin. To a page of another one it is given as a file that loads this one.
    const here = new URL(source).origin === location.origin ? source
      : URL.createObjectURL(new Blob([`import ${JSON.stringify(source)}`], { type: 'text/javascript' }));
    const worker = new Worker(here, { type: 'module' });
    worker.onerror = (e) => { worker.terminate(); failed(e); };
    worker.onmessage = ({ data: [number, part] }) => {
      progress(part);
      if (number < 0 && part < 1) return;
      worker.terminate();
      if (number < 0) failed(number);
      else found(number);
    };
    worker.postMessage(challenge);
  });
}

/** Solves a challenge, and returns the solution as the front takes it. It rejects when there is none. */
export async function solve(challenge: Challenge, progress: Progress = () => {}): Promise<string> {
  const { algorithm, challenge: hash, salt, signature } = challenge;
  if (algorithm !== 'SHA-256') throw new Error('unknown algorithm ' + algorithm);
  const number = await searchBeside(challenge, progress).catch(() => search(challenge, progress));
  return btoa(JSON.stringify({ algorithm, challenge: hash, number, salt, signature }));
}

/** How often in a row the client solves a challenge for one place. */
let left = 5;

/** For the client: answers a refusal that brought a challenge, by asking again with the solution. */
export async function answer(e: PenstockError, again: (body: string) => Promise<Ticket>): Promise<Ticket> {
  if (!left) { left = 5; throw e; }
  left--;
  const ticket = await again(JSON.stringify({ proof: await solve(e.problem.challenge as Challenge) }));
  left = 5;
  return ticket;
}

// In a worker: [the number or -1, how much has been tried].
declare const WorkerGlobalScope: unknown;
if (typeof WorkerGlobalScope !== 'undefined') {
  const port = globalThis as unknown as { onmessage: (e: { data: Challenge }) => void; postMessage: (result: [number, number]) => void };
  port.onmessage = ({ data }) => {
    const find = openSearch(data), many = 10 * step;
    for (let from = 0; from <= data.maxnumber; from += many) {
      const found = find(from, Math.min(from + many, data.maxnumber + 1));
      if (found >= 0) { port.postMessage([found, 1]); return; }
      port.postMessage([-1, Math.min(0.999, from / data.maxnumber)]);
    }
    port.postMessage([-1, 1]);
  };
}
