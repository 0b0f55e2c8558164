/** What a visitor has, kept over page loads where the browser allows it. */
export interface Kept {
  ticket?: string;
  pass?: string;
  /** The proofs of up to eight reservations, the latest first. */
  holders?: [reservation: string, proof: string][];
  /** The ids of the last reservation and of the last order. */
  reservation?: string;
  order?: string;
  /** Requests that were not answered. */
  reserve?: Unanswered;
  checkout?: Unanswered;
}

/** A hash of the body, and the key to send with the same body again. */
export type Unanswered = [bodyHash: number, key: string];

export interface Memory {
  /** What is known now; change it with keep alone. */
  known: Kept;
  /** Credentials travel as headers, because cookies do not arrive. */
  inHeaders: unknown;
  keep(change: Kept): void;
  /**
   * Cookies arrive: from now on the credentials are left to them, which no script can read, and out of the storage.
   * Or they do not: from now on the credentials travel as headers.
   */
  cookiesArrive(yes: boolean): void;
}

/** What goes into the storage when cookies carry the credentials. */
const notSecret: (keyof Kept)[] = ['reservation', 'order', 'reserve', 'checkout'];

/**
 * Opens the memory of one sale. The storage is shared by the tabs of the shop, so only what changes is written.
 * Where there is no storage, everything lasts as long as the page.
 */
export function openMemory(name: string): Memory {
  const read = (): Kept => {
    try {
      return JSON.parse(localStorage[name]) || {};
    } catch {
      return {}; // nothing there, or the browser does not allow it
    }
  };
  let cookies: boolean | undefined;
  const known = read();
  const memory: Memory = {
    known,
    inHeaders: known.ticket || known.holders, // they are not there when cookies arrive
    keep(change) {
      Object.assign(known, change);
      try {
        localStorage[name] = JSON.stringify({ ...read(), ...change }, cookies ? notSecret : null);
      } catch { /* known has it */ }
    },
    cookiesArrive(yes) {
      if (cookies && yes) return;
      cookies = yes;
      memory.inHeaders = !yes;
      memory.keep(known);
    },
  };
  return memory;
}
