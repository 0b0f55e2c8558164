// A shop page that sells one item through Penstock. What to show follows from three things: the order, the
// reservation and the visitor's ticket.
(() => {
  'use strict';
  const byId = (id) => document.getElementById(id);
  const { sale, sku } = document.querySelector('main').dataset;
  const steps = [...document.querySelectorAll('[data-step]')];
  const refreshMs = 5000;

  // What the visitor has.
  let ticket, pass, held, ordered;
  let known = null; // the public document of the sale
  let step = 'loading';

  const words = {
    phase: { scheduled: 'Opens soon', prequeue: 'Line is open', live: 'On sale now', paused: 'Paused', sold_out: 'Sold out', ended: 'Over' },
    availability: { in_stock: 'In stock', low: 'Only a few left', held_out: 'All pairs are in baskets; some may come back', sold_out: 'Sold out' },
    waiting: {
      early: ['You are in line', 'The sale has not started yet. You keep your place.'],
      waiting: ['You are in line', 'Keep this page open; when it is your turn, its tab says so. Then you have a short time to go on.'],
      held_out: ['All pairs are in baskets', 'You keep your place. If somebody gives a pair back, you may still get one.'],
      paused: ['The sale is paused', 'You keep your place. It goes on in a moment.'],
    },
    order: {
      queued: 'Your order is accepted.', committed: 'Your order is confirmed.', payment_pending: 'Your order is accepted; the payment is under way.',
      paid: 'Your order is paid.', declined: 'The payment was declined. The pair goes back on sale.', failed: 'Your order could not be carried out. Please contact us.',
    },
    refusal: {
      sold_out: 'There is no pair left at this moment.', limit_exceeded: 'You already have as many pairs as one customer may buy.',
      pass_invalid: 'Your time to buy is over.', pass_required: 'Your time to buy is over.', reservation_expired: 'The pair is no longer held for you.',
      extension_refused: 'There is no more time to give.', sale_not_open: 'The sale is not open.', room_full: 'The line is full at this moment. Please try again in a minute.',
      no_answer: 'The shop cannot be reached. Please try again; nothing is ordered twice.',
    },
  };

  if (!window.Penstock) {
    show('down');
    return;
  }
  const client = Penstock.connect({ sale, pollWhileHidden: true }); // so that the title of the tab can call the visitor

  /** The step that the visitor is at. */
  function stepNow() {
    if (ordered) return 'ordered';
    if (held) return 'held';
    if (ticket) return ticket.state in words.waiting ? 'waiting' : ticket.state;
    if (!known) return 'loading';
    if (known.phase === 'scheduled') return 'soon';
    return ['sold_out', 'ended'].includes(known.phase) ? known.phase : 'none';
  }

  function show(next) {
    const changed = next !== step;
    step = next;
    for (const section of steps) section.hidden = section.dataset.step !== step;
    if (!changed) return;
    byId('refusal').textContent = '';
    const heading = steps.find((section) => !section.hidden).querySelector('h2');
    // Whoever pressed a button is taken along to what came of it; everybody else only hears of it.
    if (byId('panel').contains(document.activeElement) || document.activeElement === document.body) heading.focus({ preventScroll: true });
    byId('announcement').textContent = heading.textContent;
    document.title = (step === 'called' ? 'Your turn! ' : '') + byId('name').textContent;
  }

  function render() {
    if (step !== 'down') show(stepNow());
    if (ticket && step === 'waiting') renderWaiting();
    if (held && document.activeElement !== byId('order-email') && !byId('order-email').value) byId('order-email').value = byId('email').value;
    if (ordered) {
      byId('order-number').textContent = ordered.id;
      byId('order-status').textContent = words.order[ordered.status] ?? '';
    }
    tick();
  }

  function renderWaiting() {
    const [title, note] = words.waiting[ticket.state];
    byId('waiting-title').textContent = title;
    byId('waiting-note').textContent = note;
    byId('ahead').textContent = ticket.ahead === null ? 'Not drawn yet' : ticket.ahead.toLocaleString('en');
    byId('wait').textContent = ['held_out', 'paused'].includes(ticket.state) ? 'Not known' : waitText(ticket.eta_seconds);
  }

  function waitText({ p50, p90 }) {
    const minutes = (seconds) => Math.max(1, Math.round(seconds / 60));
    if (p90 <= 0) return 'Not known';
    if (p90 < 60) return 'Under 1 min';
    return minutes(p50) === minutes(p90) ? `${minutes(p90)} min` : `${minutes(p50)} to ${minutes(p90)} min`;
  }

  function renderSale() {
    const item = known.items.find((one) => one.sku === sku);
    byId('phase').textContent = words.phase[known.phase];
    byId('opens').textContent = new Date(known.opens_at ?? known.starts_at).toLocaleString('en', { dateStyle: 'medium', timeStyle: 'short' });
    if (!item) return;
    byId('name').textContent = item.name;
    byId('availability').textContent = words.availability[item.availability];
    if (item.price) {
      const format = new Intl.NumberFormat('en', { style: 'currency', currency: item.price.currency });
      byId('price').textContent = format.format(item.price.amount / 10 ** format.resolvedOptions().maximumFractionDigits);
    }
  }

  /** Countdowns, by the clock of the sale. */
  function tick() {
    const clock = (id, until) => {
      const seconds = Math.max(0, Math.floor(client.msUntil(until) / 1000));
      byId(id).textContent = Math.floor(seconds / 60) + ':' + String(seconds % 60).padStart(2, '0');
      return seconds;
    };
    if (step === 'called' && ticket.claim_before) clock('claim-clock', ticket.claim_before);
    if (step === 'admitted' && pass) clock('pass-clock', pass.expires_at);
    if (step === 'held' && clock('hold-clock', held.expires_at) === 0) {
      held = undefined;
      render();
      refuse({ code: 'reservation_expired' });
    }
  }

  const refuse = (e) => { byId('refusal').textContent = words.refusal[e.code] ?? e.message; };

  /** Runs what a button is for: one thing at a time, and its refusal is shown. */
  async function act(work) {
    const buttons = [...document.querySelectorAll('.panel button')];
    if (buttons.some((button) => button.disabled)) return;
    buttons.forEach((button) => { button.disabled = true; });
    byId('refusal').textContent = '';
    let refusal;
    try {
      await work();
    } catch (e) {
      refusal = e;
    }
    buttons.forEach((button) => { button.disabled = false; });
    byId('trouble').hidden = true;
    render();
    if (refusal) refuse(refusal);
  }
  const onClick = (button, work) => button.addEventListener('click', () => act(work));
  const onSubmit = (form, work) => form.addEventListener('submit', (event) => { event.preventDefault(); act(work); });

  async function join() { await client.join(); }
  async function claim() { pass = await client.claim(); ticket = { ...ticket, state: 'admitted' }; }
  async function leave() { await client.leave(); ticket = pass = undefined; }
  async function reserve() { held = await client.reserve({ customer: byId('email').value, items: [{ sku, quantity: 1 }] }); }
  async function extend() { held = await client.extend(held); }
  async function release() { await client.release(held); held = undefined; }
  async function order() {
    ordered = await client.order({ reservation: held.id, customer: { email: byId('order-email').value } });
    held = undefined;
    client.stop();
    follow();
  }

  /** Looks until the order is through, for ten minutes at most. */
  async function follow() {
    for (let looks = 0; looks < 60 && ['queued', 'payment_pending'].includes(ordered.status); looks++) {
      await new Promise((done) => setTimeout(done, Math.min(1000 * 1.5 ** looks, 10_000) * (0.75 + Math.random() / 2)));
      try { ordered = await client.orderStatus(ordered); } catch { /* the next look will do */ }
      render();
    }
  }

  async function refreshSale() {
    try {
      known = await client.sale();
      renderSale();
      render();
    } catch (e) {
      if (!known && e.code !== 'no_answer') show('down');
    }
    setTimeout(() => { if (document.hidden) document.addEventListener('visibilitychange', refreshSale, { once: true }); else refreshSale(); }, refreshMs * (0.75 + Math.random() / 2));
  }

  client.addEventListener('ticket', ({ detail }) => {
    ticket = detail;
    byId('trouble').hidden = true;
    render();
  });
  client.addEventListener('state', ({ detail }) => {
    ticket = detail.ticket;
    render();
  });
  client.addEventListener('problem', () => {
    byId('trouble').textContent = ticket ? 'The connection is slow or lost. Your place is kept; trying again.' : 'The connection is slow or lost. Trying again.';
    byId('trouble').hidden = false;
  });

  onClick(byId('join'), join);
  onClick(byId('rejoin'), join);
  onClick(byId('claim'), claim);
  onClick(byId('extend'), extend);
  onClick(byId('release'), release);
  for (const button of document.querySelectorAll('.leave')) onClick(button, leave);
  onSubmit(byId('reserve'), reserve);
  onSubmit(byId('order'), order);
  setInterval(tick, 1000);

  (async () => {
    refreshSale();
    const had = await client.resume();
    ({ reservation: held, order: ordered } = had);
    if (had.ticket?.state === 'admitted') pass = await client.claim(); // again the same pass, which says how long it lasts
    if (ordered) { client.stop(); follow(); }
    render();
  })().catch(refuse);
})();
