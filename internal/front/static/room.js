// The waiting-room page, kept up to date in place. Without this file the page reloads itself.
(() => {
  'use strict';
  const room = document.getElementById('room');
  if (!room) return;
  const sale = encodeURIComponent(room.dataset.sale);
  const state = room.dataset.state;
  const byId = (id) => document.getElementById(id);
  const show = (id, text) => { const e = byId(id); if (e && e.textContent !== text) e.textContent = text; };
  const number = (n) => n.toLocaleString('en-US');

  for (const time of document.querySelectorAll('time[datetime]')) {
    const at = new Date(time.dateTime);
    if (!isNaN(at)) {
      time.textContent = at.toLocaleString(undefined, { weekday: 'short', day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit' });
    }
  }

  const minutes = (s) => Math.max(1, Math.round(s / 60));
  const span = (m) => (m < 60 ? m + ' min' : Math.floor(m / 60) + ' h ' + String(m % 60).padStart(2, '0') + ' min');
  function eta(e) {
    if (!e || e.p90 <= 0 || e.p50 >= 86400) return 'not known yet';
    if (e.p90 < 60) return 'under a minute';
    const low = minutes(e.p50), high = minutes(e.p90);
    return low === high ? 'about ' + span(low) : span(low) + ' to ' + span(high);
  }

  let told = '';
  function announce(text) {
    if (text !== told) { told = text; show('announcement', text); }
  }

  // pause is the time to the next try after failures in a row, in ms: it grows up to 30 s, and it
  // varies, so that a crowd does not come back at the same moment.
  let failures = 0;
  const pause = () => Math.min(30000, 1000 * 2 ** Math.min(failures, 5) * (0.75 + Math.random() / 4));

  // reload gets the page of the new state, which admits whoever is called. It first asks whether
  // there is one: a browser's own error page, or that of a proxy, would never come back by itself.
  let reloading = false;
  function reload() {
    if (reloading) return;
    reloading = true;
    lookForPage();
  }

  async function lookForPage() {
    try {
      const page = location.pathname + location.search;
      const answer = await fetch(page, { method: 'HEAD', cache: 'no-store', redirect: 'manual' });
      if (answer.type === 'opaqueredirect' || answer.ok) { location.replace(page); return; }
    } catch { /* tried again below */ }
    failures++;
    setTimeout(lookForPage, pause());
  }

  function update(ticket) {
    if (ticket.state !== state) { reload(); return; }
    if (ticket.ahead === null || ticket.place === null) return;
    show('ahead', number(ticket.ahead));
    show('place', number(ticket.place));
    const wait = eta(ticket.eta_seconds);
    show('eta', wait);
    announce('Estimated wait: ' + wait);
  }

  async function poll() {
    let next = 5000;
    try {
      const answer = await fetch('/v1/sales/' + sale + '/ticket', { cache: 'no-store' });
      if (answer.status === 401 || answer.status === 403) { reload(); return; }
      if (!answer.ok) throw new Error(answer.status);
      const ticket = await answer.json();
      if (failures > 0) show('note', room.dataset.note);
      failures = 0;
      next = ticket.poll_after_ms;
      update(ticket);
    } catch {
      failures++;
      next = pause();
      show('note', 'The sale is coming back. Your place is kept; trying again.');
    }
    if (!reloading) setTimeout(poll, next);
  }

  async function readMessage() {
    try {
      const answer = await fetch('/v1/sales/' + sale);
      if (answer.ok) {
        const text = (await answer.json()).message;
        show('message', text);
        byId('message').hidden = text === '';
      }
    } catch { /* the next round will do */ }
    setTimeout(readMessage, 15000 * (0.75 + Math.random() / 2));
  }

  room.dataset.note = byId('note').textContent;
  const pollMillis = Number(room.dataset.pollMs);
  const reloadMillis = Number(room.dataset.reloadMs);
  if (pollMillis > 0) {
    setTimeout(poll, pollMillis);
    setTimeout(readMessage, 15000);
  } else if (reloadMillis > 0) {
    setTimeout(reload, reloadMillis);
  }
})();
