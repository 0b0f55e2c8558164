import { Refused, Unsure } from './errors.js';

const askMillis = 3000;
const maxAnswerBytes = 64 * 1024;
// For how long an answer to "does the sale need a pass" is kept, ms.
const openEveryMillis = 5000;
// Bounds of what Penstock says of how long keys may be kept without asking, ms.
const minFreshMillis = 10_000, maxFreshMillis = 3_600_000, defaultFreshMillis = 300_000;

/** What is asked of Penstock. */
export class Penstock {
  #api; #sale;
  // In the mode open nobody needs a pass. The waiting room would send who comes without one straight back.
  #open = false;
  #openAskedAt = -Infinity;

  constructor({ apiUrl, sale }) {
    this.#api = apiUrl;
    this.#sale = sale;
  }

  /** Exchanges a code for the pass. */
  async redeem(code) {
    const response = await ask(`${this.#api}/v1/handover`, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ code }),
    });
    if (response.status === 404 || response.status === 410) throw new Refused();
    if (response.status !== 200) throw new Unsure(`the code is answered ${response.status}`);
    return (await readJson(response)).pass;
  }

  /** Asks whether a pass is still good where the visitor is. */
  async askOnline(token, visitor) {
    const { status } = await this.#authorize({ 'Penstock-Pass': token, 'X-Forwarded-For': visitor });
    if (status === 401) throw new Refused();
    if (status !== 204) throw new Unsure(`the pass is answered ${status}`);
  }

  async isOpen() {
    const now = performance.now();
    if (now - this.#openAskedAt < openEveryMillis) return this.#open;
    this.#openAskedAt = now; // others go on with the last answer meanwhile
    try {
      this.#open = (await this.#authorize({})).status === 204;
    } catch {
      this.#open = false;
    }
    return this.#open;
  }

  #authorize(headers) {
    return ask(`${this.#api}/v1/auth?sale=${encodeURIComponent(this.#sale)}`, { headers });
  }

  /** Reads the public keys. */
  readKeys = async () => {
    const response = await ask(`${this.#api}/.well-known/jwks.json`, {});
    if (response.status !== 200) throw new Error(`the keys are answered ${response.status}`);
    const { keys } = await readJson(response);
    if (!Array.isArray(keys)) throw new Error('there is no list of keys');
    return { keys, freshMillis: freshMillis(response.headers.get('Cache-Control') ?? '') };
  };
}

async function ask(url, init) {
  try {
    return await fetch(url, { ...init, redirect: 'manual', signal: AbortSignal.timeout(askMillis) });
  } catch (error) {
    throw new Unsure('Penstock does not answer', error);
  }
}

async function readJson(response) {
  const chunks = [];
  let bytes = 0;
  try {
    for await (const chunk of response.body ?? []) {
      bytes += chunk.length;
      if (bytes > maxAnswerBytes) throw new Error('the answer is too long');
      chunks.push(chunk);
    }
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) ?? {};
  } catch (error) {
    throw new Unsure('the answer of Penstock cannot be read', error);
  }
}

export function freshMillis(cacheControl) {
  const found = /(?:^|[ ,])max-age=(\d{1,9})(?:$|[ ,;])/.exec(cacheControl);
  if (!found) return defaultFreshMillis;
  return Math.min(Math.max(Number(found[1]) * 1000, minFreshMillis), maxFreshMillis);
}
