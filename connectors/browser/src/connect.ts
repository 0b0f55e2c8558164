import { type PenstockError, isGone, mayPass } from './problem';
import { openMemory } from './memory';
import { openWay, type Call } from './request';
import { openPoll } from './poll';
import { patiently } from './patience';
import { hashOf, newKey } from './unanswered';
import type { Client, Options, Order, OrderRequest, Pass, RenewedPass, Reservation, ReservationRequest, Resumed, State, Ticket } from '../client';

/** Makes a client. front is the address of Penstock's front. */
export function connectTo(front: string, { sale, timeoutMs = 60_000, pollWhileHidden }: Options): Client {
  const base = front.replace(/\/*$/, '/v1/');
  const memory = openMemory(`penstock ${base} ${sale}`);
  const { known, keep } = memory;
  let aheadMs = 0;
  const attempt = openWay(base, memory, (ms) => aheadMs = ms);
  const events = new EventTarget();
  const tell = (type: string, detail: unknown) => events.dispatchEvent(new CustomEvent(type, { detail }));
  const told = (e: PenstockError) => tell('problem', e);
  const at = (kind: string, id: string) => kind + '/' + encodeURIComponent(id);
  const saleAt = at('sales', sale);
  const reservationAt = (id: string) => at('reservations', id);
  const ticketAt = saleAt + '/ticket';

  const patient = <T>(one: () => Promise<T>, alsoPasses?: (e: PenstockError) => boolean) => patiently(one, timeoutMs, told, alsoPasses);
  const send = <T>(method: string, path: string, call?: Call) => patient(() => attempt<T>(method, path, call));
  /** Answers nothing when what is asked for does not exist any more. */
  const ifThere = <T>(answer: Promise<T>): Promise<T | undefined> => answer.catch((e) => { if (!isGone(e)) throw e; }) as Promise<T | undefined>;

  // The line.
  let state: State = 'none';
  const poll = openPoll(askTicket, show, (e) => {
    told(e);
    if (isGone(e)) forget();
  }, pollWhileHidden);

  async function askTicket(): Promise<Ticket> {
    const ticket = await attempt<Ticket>('GET', ticketAt);
    if (!memory.inHeaders) memory.cookiesArrive(true);
    return ticket;
  }
  /** Tells what the ticket says now. Without one there is no place any more. */
  function show(ticket?: Ticket) {
    const before = state;
    state = ticket ? ticket.state : 'none';
    if (ticket?.ticket !== known.ticket) keep({ ticket: ticket?.ticket });
    if (ticket) tell('ticket', ticket);
    if (state !== before) tell('state', { state, before, ticket });
  }
  function forget() {
    poll.stop();
    keep({ pass: undefined });
    show();
  }
  /** A newcomer may be asked for a proof of work first. What solves it is loaded then. */
  const takePlace = (body?: string): Promise<Ticket> => send<Ticket>('POST', ticketAt + 's', { showTicket: true, body }).catch((e) => {
    if (!e.problem.challenge) throw e;
    return import(base + '../sales/static/proof.mjs').then((solver) => solver.answer(e, takePlace));
  });

  let joining: Promise<Ticket> | undefined; // two calls at a time take one place
  const join = () => joining ??= newcomer().finally(() => joining = undefined);
  async function newcomer(): Promise<Ticket> {
    let ticket = await takePlace().catch((e) => {
      if (e.code !== 'ticket_invalid') throw e;
      keep({ ticket: undefined, pass: undefined }); // of an earlier sale, or signed with a key of the past
      return takePlace();
    });
    if (ticket.state === 'missed') {
      keep({ ticket: ticket.ticket });
      await leave();
      ticket = await takePlace();
    }
    poll.follow(ticket);
    return ticket;
  }
  const leave = () => ifThere(send('DELETE', ticketAt)).then(forget);
  const keepPass = <T extends Pass>(pass: T) => (keep({ pass: pass.pass }), pass);
  // A called visitor is told not_called while admission is full for a moment.
  const claim = () => patient(() => attempt<Pass>('POST', saleAt + '/passes?late=1'), (e) => e.code === 'not_called' && state === 'called').then(keepPass);
  /** Sent again with the same pass, it is answered with the same new end. */
  const renew = () => send<RenewedPass>('POST', saleAt + '/pass/renew').then(keepPass);

  // Reservations and orders.
  /** Sends a request under a key that is kept until it is answered, so that a retry is the same request. */
  async function once<T>(kind: 'reserve' | 'checkout', path: string, request: object, about?: string): Promise<T> {
    const body = JSON.stringify(request);
    const hash = hashOf(body);
    const earlier = known[kind];
    const key = earlier?.[0] === hash ? earlier[1] : newKey();
    keep({ [kind]: [hash, key] });
    let answered = true;
    try {
      return await send<T>('POST', path, { body, key, about });
    } catch (e) {
      answered = !mayPass(e as PenstockError);
      throw e;
    } finally {
      if (answered && known[kind]?.[1] === key) keep({ [kind]: undefined });
    }
  }
  async function reserve(request: ReservationRequest) {
    const held = await once<Reservation>('reserve', saleAt + '/reservations', request);
    keep({ reservation: held.id });
    return held;
  }
  function extend({ id, extensions }: Pick<Reservation, 'id' | 'extensions'>) {
    const path = reservationAt(id);
    let sent: true | undefined;
    return patient(async () => {
      // Extending is no request that may simply be sent again: the lost one may have arrived.
      const now = (sent && await attempt<Reservation>('GET', path)) as Reservation;
      if (now?.extensions > extensions) return now;
      sent = true;
      return attempt<Reservation>('POST', path + '/extend', { about: id });
    });
  }
  const release = ({ id }: Pick<Reservation, 'id'>) => send('DELETE', reservationAt(id), { about: id }).then(() => keep({ reservation: undefined }));
  async function order(request: OrderRequest) {
    const accepted = await once<Order>('checkout', 'orders', request, request.reservation);
    keep({ order: accepted.id, reservation: undefined });
    return accepted;
  }
  const orderStatus = ({ id }: Pick<Order, 'id'>) => send<Order>('GET', at('orders', id));

  async function resume(): Promise<Resumed> {
    const ticket = await ifThere(patient(askTicket));
    if (ticket) poll.follow(ticket);
    const { reservation: id } = known;
    const reservation = (id && await ifThere(send<Reservation>('GET', reservationAt(id)))) as Reservation | undefined;
    const orderId = reservation?.order ?? known.order;
    return {
      ticket, reservation: reservation?.status === 'held' ? reservation : undefined,
      order: (orderId && await ifThere(orderStatus({ id: orderId }))) as Order | undefined,
    };
  }

  return Object.assign(events, {
    sale: () => send('GET', saleAt, { forAll: true }),
    join, resume, stop: poll.stop, claim, renew, leave, reserve, extend, release, order, orderStatus,
    msUntil: (time: string) => Date.parse(time) - Date.now() - aheadMs,
  }) as Client;
}
