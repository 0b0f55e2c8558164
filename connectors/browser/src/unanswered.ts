/** A hash of 32 bits. It tells requests apart without keeping what they say of the customer. */
export const hashOf = (text: string): number =>
  [...text].reduce((hash, character) => (Math.imul(hash, 31) + character.codePointAt(0)!) | 0, 0);

/** A fresh Idempotency-Key of 128 random bits. crypto.randomUUID would need a secure context. */
export const newKey = (): string => crypto.getRandomValues(new Uint32Array(4)).join('-');
