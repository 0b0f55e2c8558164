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
