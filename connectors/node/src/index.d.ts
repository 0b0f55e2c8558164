import type { KeyObject } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';

export interface Options {
  /** The id of the sale. */
  sale: string;
  /** Where visitors reach the waiting room, such as https://queue.shop.example. */
  roomUrl: string;
  /** Where this server reaches Penstock. Default: roomUrl. */
  apiUrl?: string;
  /** Where visitors reach this shop, such as https://shop.example. Default: as each request says. */
  shopUrl?: string;
  /** The cookie in which the pass is kept. Default: penstock_pass_ and the sale. */
  cookieName?: string;
  /** Ask Penstock at each request whether the pass was given back. Default: false; a pass is good until it expires. */
  online?: boolean;
  /** For how long, in seconds, keys that are due to be read again are used while Penstock does not answer. Default: 3600. */
  staleSeconds?: number;
  /** Told why a pass could not be checked. Default: console.warn. */
  warn?: (message: string) => void;
}

/** The admission of a visitor. */
export interface Pass {
  /** The pass as Penstock takes it in the header Penstock-Pass. */
  token: string;
  sale: string;
  /** The visitor's number in the line, in decimal. */
  ticket: string;
  expiresAt: Date;
}

declare module 'node:http' {
  interface IncomingMessage {
    /** The pass of the visitor. There is none while the sale needs no pass. */
    penstock?: Pass;
  }
}

export type Middleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

/**
 * Returns a middleware for Express, Connect or node:http that lets requests through which come with a valid
 * pass. The answer to others is 303 to the waiting room, or 401 where that would be of no use (other methods
 * than GET and HEAD, requests of scripts), or 503 when the pass could not be checked.
 * @throws {TypeError} when the options cannot be right.
 */
export function penstock(options: Options): Middleware;

/** What the shop says to the waiting room of a customer who is logged in. */
export interface JoinToken {
  /** The shop's own key of the customer, 1 to 128 characters: whoever has the same key has the same place. */
  customer: string;
  /** The id of the sale, or what the sale says in identity.audience. */
  audience: string;
  /** For how long the token is good, 1 to 86400. A few minutes are enough. */
  validSeconds: number;
  /** The priority lane in which the customer waits. Default: that of everybody. */
  lane?: string;
  /** What the sale says in identity.issuer. */
  issuer?: string;
  /**
   * A private key, Ed25519 (EdDSA) or P-256 (ES256), as KeyObject or in PEM; or a secret of 32 bytes or more that is in
   * PENSTOCK_JOIN_KEYS too (HS256).
   */
  key: KeyObject | Uint8Array | string;
  /** The kid of the key in the shop's JWKS, or its id in PENSTOCK_JOIN_KEYS. */
  keyId: string;
}

/**
 * Returns the token for the address or the body with which a customer joins: a JSON Web Token (RFC 7519).
 * @throws {TypeError} what Penstock would refuse.
 */
export function signJoinToken(token: JoinToken): Promise<string>;
