// What this shop adds for Penstock, all of it. Before a cart is completed, its units are held in Penstock. When the shop
// has placed its own order, they are ordered there; when it has not, they are given back.
//
// Penstock is the proxy in front of this shop. With `forward_pass` it tells the shop the sale and the visitor's pass. No
// visitor can forge these headers, as long as the shop is reached through Penstock only.
import { defineMiddlewares } from '@medusajs/framework/http';
import { ContainerRegistrationKeys } from '@medusajs/framework/utils';

const {
  PENSTOCK_API_URL, // where this server reaches Penstock; without it this file does nothing
  PENSTOCK_KEY, // an API key of role `shop`
  PENSTOCK_SKUS = '', // what the sale sells, with commas between
} = process.env;

const skus = new Set(PENSTOCK_SKUS.split(',').filter(Boolean));
const callMillis = 5000;
const maxReservations = 10; // of one cart
const maxOrderAttempts = 5;

/** The middleware of `POST /store/carts/:id/complete`. */
export async function holdUnits(request, response, next) {
  const cart = await readCart(request);
  const items = unitsOf(cart, skus);
  if (items.length === 0) return next();
  const sale = request.get('Penstock-Sale');
  if (!sale) return refuse(response, { status: 403, message: 'This article is sold through the waiting room only.' });

  const penstock = new Penstock(request.get('Penstock-Pass'));
  const held = await penstock.reserve(sale, cart.id, { customer: cart.email, items });
  if (held.status !== 201) return refuse(response, held);

  const answer = response.json.bind(response);
  response.json = (body) => { // every answer of this route goes through here, errors too
    settle(penstock, held.body.id, cart, outcomeOf(response.statusCode, body), body)
      .catch((error) => logger(request).error(`Penstock: cart ${cart.id}, reservation ${held.body.id}: ${error.message}`))
      .finally(() => answer(body));
    return response;
  };
  next();
}

/** What became of a cart. Another request may be completing the same cart, so a failure is not always the end of it. */
export function outcomeOf(status, body) {
  if (body?.type === 'order') return 'ordered';
  return status === 400 || (status === 200 && body?.type === 'cart') ? 'refused' : 'unknown';
}

async function settle(penstock, reservation, cart, outcome, body) {
  switch (outcome) {
    case 'ordered': return penstock.order(reservation, { email: cart.email }, { medusa_order: body.order.id });
    case 'refused': return penstock.release(reservation);
    default: // the units come back by themselves when the reservation lapses
  }
}

/** The units of a cart that the sale sells, as Penstock wants them. */
export function unitsOf(cart, sold) {
  const quantities = new Map();
  for (const { variant_sku: sku, quantity } of cart?.items ?? []) {
    if (sold.has(sku)) quantities.set(sku, (quantities.get(sku) ?? 0) + Number(quantity));
  }
  return [...quantities].map(([sku, quantity]) => ({ sku, quantity }));
}

/** The calls of Penstock for one visitor. */
class Penstock {
  #headers;

  constructor(pass) {
    this.#headers = { Authorization: `Bearer ${PENSTOCK_KEY}`, 'Content-Type': 'application/json', ...(pass && { 'Penstock-Pass': pass }) };
  }

  /**
   * A cart that is completed again has the same reservation, or a new one when that was given back or has lapsed. The
   * repeated request has the answer of the first, so what became of the reservation meanwhile is asked for.
   */
  async reserve(sale, cart, wanted) {
    for (let attempt = 1; attempt <= maxReservations; attempt++) {
      const held = await this.#call('POST', `/v1/sales/${encodeURIComponent(sale)}/reservations`, wanted, `${cart}-${attempt}`);
      if (held.status !== 201) return held;
      const { status, body } = await this.#call('GET', `/v1/reservations/${encodeURIComponent(held.body.id)}`);
      if (status !== 200) return { status: 503, body };
      if (body.status === 'held' || body.status === 'confirmed') return held;
    }
    return { status: 409, body: { detail: 'This cart was tried too often. Please make a new one.' } };
  }

  /** The shop's order stands already, so this is tried again before it is reported. */
  async order(reservation, customer, metadata) {
    for (let attempt = 1; ; attempt++) {
      const { status, body } = await this.#call('POST', '/v1/orders', { reservation, customer, metadata }, reservation);
      if (status === 200 || status === 202) return;
      if (status < 500 || attempt === maxOrderAttempts) throw new Error(`the order is answered ${status} ${body.code ?? ''}`);
      await new Promise((resolve) => setTimeout(resolve, attempt * 200));
    }
  }

  async release(reservation) {
    const { status } = await this.#call('DELETE', `/v1/reservations/${encodeURIComponent(reservation)}`);
    if (status !== 204) throw new Error(`giving it back is answered ${status}; it lapses by itself`);
  }

  async #call(method, path, body, key) {
    try {
      const response = await fetch(PENSTOCK_API_URL + path, {
        method, body: body && JSON.stringify(body), signal: AbortSignal.timeout(callMillis),
        headers: { ...this.#headers, ...(key && { 'Idempotency-Key': key }) },
      });
      const text = await response.text();
      return { status: response.status, body: text ? JSON.parse(text) : {} };
    } catch (error) {
      return { status: 503, body: { detail: 'Please try again in a moment.', code: error.name } };
    }
  }
}

async function readCart(request) {
  const query = request.scope.resolve(ContainerRegistrationKeys.QUERY);
  const { data: [cart] } = await query.graph({
    entity: 'cart', fields: ['id', 'email', 'items.variant_sku', 'items.quantity'], filters: { id: request.params.id },
  });
  return cart;
}

const logger = (request) => request.scope.resolve(ContainerRegistrationKeys.LOGGER);

const refuse = (response, { status, message, body }) =>
  response.status(status).json({ type: body?.code ?? 'not_allowed', message: message ?? body?.detail });

export default defineMiddlewares({
  routes: PENSTOCK_API_URL ? [{ matcher: '/store/carts/:id/complete', methods: ['POST'], middlewares: [holdUnits] }] : [],
});
