// The browser client of Penstock: what client.js and client.mjs offer. The shapes of the documents come from
// the front's OpenAPI document (openapi.d.ts is generated).
import type { components } from './openapi';

type Schemas = components['schemas'];
export type Sale = Schemas['Sale'];
export type Ticket = Schemas['Ticket'];
export type Pass = Schemas['Pass'];
export type RenewedPass = Schemas['RenewedPass'];
export type Reservation = Schemas['Reservation'];
export type ReservationRequest = Schemas['ReservationRequest'];
export type Order = Schemas['Order'];
export type OrderRequest = Schemas['OrderRequest'];
export type Problem = Schemas['Problem'];

/** What the visitor's ticket says. `none`: the visitor has no place in the line. */
export type State = Ticket['state'] | 'none';

/**
 * `no_answer`: no answer of Penstock came. The connection broke, the time ran out, or a proxy answered for it.
 * Every other code is one of the front's.
 */
export type Code = Problem['code'] | 'no_answer';

export interface Options {
  /** The id of the sale. */
  sale: string;
  /** The address of Penstock's front, such as `https://queue.shop.example`. Unset: where this file came from. */
  front?: string;
  /** How long a call goes on trying, in milliseconds. Unset: 60,000. */
  timeoutMs?: number;
  /**
   * Go on polling while the page is hidden. Unset: polling stops then. A visitor who is called in the meantime
   * learns of it when the page is shown, which may be after `claim_before`.
   */
  pollWhileHidden?: boolean;
}

/** Why a call failed. */
export declare class PenstockError extends Error {
  readonly code: Code;
  /** The HTTP status; 0 when there was none. */
  readonly status: number;
  /** When the front asked to come back (Retry-After or poll_after_ms), in milliseconds; 0 when it did not say. */
  readonly retryAfterMs: number;
  /** The problem document, with the members that belong to its code, such as `may_return`. */
  readonly problem: Partial<Problem> & Record<string, unknown>;
}

export interface StateChange {
  state: State;
  before: State;
  /** Absent in the state `none`. */
  ticket?: Ticket;
}

/** What the visitor had when the page was loaded. */
export interface Resumed {
  ticket?: Ticket;
  reservation?: Reservation;
  order?: Order;
}

export interface ClientEvents {
  /** Every answer about the ticket. */
  ticket: CustomEvent<Ticket>;
  /** The state changed. */
  state: CustomEvent<StateChange>;
  /** A request failed. Polling and calls go on by themselves after what may pass. */
  problem: CustomEvent<PenstockError>;
}

/**
 * A visitor of one sale. Every call tries again after a lost connection, 5xx, 429 and `in_flight`, for
 * `timeoutMs` in all, and rejects with a PenstockError.
 */
export interface Client extends EventTarget {
  addEventListener<K extends keyof ClientEvents>(
    type: K, listener: (event: ClientEvents[K]) => void, options?: boolean | AddEventListenerOptions): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;

  /** What everybody may know of the sale. */
  sale(): Promise<Sale>;
  /**
   * Takes a place in the line, or tells the one the visitor has, and polls from then on. Whoever missed their turn
   * gets a new place, and gives up a turn that `claim` could still take up.
   */
  join(): Promise<Ticket>;
  /** Looks for what the visitor has from an earlier page, and polls if there is a place. It takes none. */
  resume(): Promise<Resumed>;
  /** Stops polling. join and resume start it again. */
  stop(): void;
  /**
   * Turns a called ticket into the pass. Again, it gives the same pass. Also a ticket that was missed and has
   * `take_up_before`, while there is room; `turn_missed` while there is none.
   */
  claim(): Promise<Pass>;
  /**
   * Moves the end of the pass, where the sale allows it; the answer says how often it may be asked yet. It rejects with
   * `renewal_refused` when the pass was renewed as often as it may be, or the sale renews none.
   */
  renew(): Promise<RenewedPass>;
  /** Leaves the line. A pass is given back too. */
  leave(): Promise<void>;
  /** Holds units. After a lost answer the same request again gets the same reservation, also after a reload. */
  reserve(request: ReservationRequest): Promise<Reservation>;
  /** Holds the units for the full time again. */
  extend(reservation: Pick<Reservation, 'id' | 'extensions'>): Promise<Reservation>;
  /** Gives the units back. */
  release(reservation: Pick<Reservation, 'id'>): Promise<void>;
  /** Turns a reservation into an order. After a lost answer the same request again gets the same order. */
  order(request: OrderRequest): Promise<Order>;
  orderStatus(order: Pick<Order, 'id'>): Promise<Order>;
  /** Milliseconds until a time that Penstock told, by Penstock's clock; up to 2,000 too few. Negative when it is over. */
  msUntil(time: string): number;
}

export declare function connect(options: Options): Client;
