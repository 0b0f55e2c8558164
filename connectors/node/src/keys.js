import { importJWK } from 'jose';
import { Refused, Unsure } from './errors.js';

/** How often keys are asked for at most, whatever visitors bring, ms. */
export const askEveryMillis = 10_000;

/**
 * Penstock's public keys. A key is published before it signs and for a while after it, so that during a
 * rotation the cached set has every key that is in use.
 */
export class Keys {
  #read; #staleMillis; #now;
  #byId = new Map();
  #readAt = -Infinity; // of byId
  #freshMillis = 0; // from readAt on
  #askedAt = -Infinity;
  #asking; // a promise while somebody asks
  #failed; // of the last time, undefined when it was answered

  /**
   * @param read returns {keys, freshMillis}: a JSON Web Key Set's keys, and how long they may be kept
   * @param now tells the time in ms
   */
  constructor(read, staleSeconds, now = () => performance.now()) {
    this.#read = read;
    this.#staleMillis = staleSeconds * 1000;
    this.#now = now;
  }

  /** Returns the key of an id. Throws Refused when Penstock has no such key, and Unsure when that is not known. */
  async find(id) {
    const now = this.#now();
    const key = this.#byId.get(id);
    if (key && now - this.#readAt < this.#freshMillis) return key;
    if (this.#asking && this.#usable(key)) return key; // somebody else waits for the answer
    if (!this.#asking && now - this.#askedAt >= askEveryMillis) this.#asking = this.#ask(now);
    await this.#asking;
    const found = this.#byId.get(id);
    if (this.#usable(found)) return found;
    if (this.#failed) throw new Unsure('the keys cannot be read', this.#failed);
    throw new Refused();
  }

  #usable(key) {
    return key && this.#now() - this.#readAt < this.#freshMillis + this.#staleMillis;
  }

  async #ask(now) {
    this.#askedAt = now;
    try {
      const { keys, freshMillis } = await this.#read();
      this.#byId = await importAll(keys);
      this.#readAt = now;
      this.#freshMillis = freshMillis;
      this.#failed = undefined;
    } catch (error) {
      this.#failed = error;
    } finally {
      this.#asking = undefined;
    }
  }
}

async function importAll(keys) {
  const byId = new Map();
  for (const key of keys) {
    if (key.kty === 'OKP' && key.crv === 'Ed25519' && typeof key.kid === 'string') byId.set(key.kid, await importJWK(key, 'EdDSA'));
  }
  if (byId.size === 0) throw new Error('no Ed25519 key is among them');
  return byId;
}
