// The demo shop. It calls Penstock as the page of any shop may: the pass travels as a cookie.
(() => {
  'use strict';
  const words = { in_stock: 'In stock', low: 'Few left', held_out: 'All pairs are in baskets; some may come back', sold_out: 'Sold out' };
  for (const time of document.querySelectorAll('time[datetime]')) {
    time.textContent = new Date(time.dateTime).toLocaleTimeString();
  }

  const availability = document.getElementById('availability');
  if (availability) {
    const look = async () => {
      try {
        const answer = await fetch('/v1/sales/' + availability.dataset.sale);
        if (answer.ok) availability.textContent = words[(await answer.json()).items[0].availability];
      } catch { /* the next round will do */ }
      setTimeout(look, 3000);
    };
    look();
  }

  const checkout = document.getElementById('checkout');
  if (!checkout || checkout.dataset.admitted !== 'true') return;
  const { sale, sku } = checkout.dataset;
  const byId = (id) => document.getElementById(id);
  const reserveForm = byId('reserve'), orderForm = byId('order'), giveBack = byId('give-back');
  const reserveButton = reserveForm.querySelector('button'), orderButton = orderForm.querySelector('button');
  // One key for one intention: pressing a button again after a lost connection repeats, never doubles.
  // crypto.randomUUID would need TLS.
  const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');
  let reserveKey = newKey(), orderKey = newKey();
  let held = null, countdown = 0;

  async function call(method, path, key, body) {
    const headers = {};
    if (key) headers['Idempotency-Key'] = key;
    if (body) headers['Content-Type'] = 'application/json';
    const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), cache: 'no-store' });
    const doc = answer.status === 204 ? null : await answer.json();
    if (!answer.ok) throw doc;
    return doc;
  }
  const explain = (e) => (e && e.title ? e.title + (e.detail ? ' (' + e.detail + ')' : '') : 'The connection was interrupted; try again.');

  function tick() {
    const left = Math.max(0, Math.round((new Date(held.expires_at) - Date.now()) / 1000));
    byId('reserved').textContent = left > 0
      ? 'Yours for ' + Math.floor(left / 60) + ':' + String(left % 60).padStart(2, '0')
      : 'The hold has lapsed.';
    if (left === 0) forget();
  }
  function forget() {
    clearInterval(countdown);
    held = null;
    reserveKey = newKey();
    orderKey = newKey();
    reserveButton.disabled = false;
    orderButton.disabled = giveBack.disabled = true;
  }

  reserveForm.addEventListener('submit', async (event) => {
    event.preventDefault();
    reserveButton.disabled = true;
    try {
      held = await call('POST', '/v1/sales/' + sale + '/reservations', reserveKey, { customer: byId('email').value, items: [{ sku, quantity: 1 }] });
      orderButton.disabled = giveBack.disabled = false;
      tick();
      countdown = setInterval(tick, 1000);
    } catch (e) {
      byId('reserved').textContent = explain(e);
      if (e && e.status) reserveKey = newKey(); // it was refused, so the next press is a new intention
      reserveButton.disabled = false;
    }
  });

  giveBack.addEventListener('click', async () => {
    giveBack.disabled = true;
    try {
      await call('DELETE', '/v1/reservations/' + held.id);
      forget();
      byId('reserved').textContent = 'Given back.';
    } catch (e) {
      byId('ordered').textContent = explain(e);
      giveBack.disabled = false;
    }
  });

  orderForm.addEventListener('submit', async (event) => {
    event.preventDefault();
    orderButton.disabled = giveBack.disabled = true;
    try {
      const order = await call('POST', '/v1/orders', orderKey, { reservation: held.id, customer: { email: byId('email').value } });
      clearInterval(countdown);
      byId('reserved').textContent = 'Reserved.';
      follow(order);
    } catch (e) {
      byId('ordered').textContent = explain(e);
      if (held) orderButton.disabled = giveBack.disabled = false;
    }
  });

  async function follow(order) {
    byId('ordered').textContent = 'Order ' + order.id + ': ' + order.status;
    if (order.status !== 'queued' && order.status !== 'payment_pending') return;
    await new Promise((done) => setTimeout(done, 1000));
    try { order = await call('GET', '/v1/orders/' + order.id); } catch { /* the next round will do */ }
    follow(order);
  }
})();
