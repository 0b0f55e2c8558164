// The waiting-room page, kept up to date in place. Without this file the page reloads itself.
(() => {
  'use strict';
  const room = document.getElementById('room');
  if (!room) return;
  const data = room.dataset;
  const words = JSON.parse(data.words || '{}');
  const sale = encodeURIComponent(data.sale);
  const byId = (id) => document.getElementById(id);
  const show = (id, text) => { const e = byId(id); if (e && e.textContent !== text) e.textContent = text; };
  const reveal = (id, visible) => { const e = byId(id); if (e) e.hidden = !visible; };

  // The visitor's own region where it is one of the page's language; digits as the server writes them.
  const language = document.documentElement.lang;
  const locale = (navigator.languages || []).find((one) => one.split('-')[0] === language) || language;
  const numbers = new Intl.NumberFormat(locale, { numberingSystem: 'latn', useGrouping: 'always' });
  const plurals = new Intl.PluralRules(locale);
  const moments = new Intl.DateTimeFormat(locale, {
    numberingSystem: 'latn', weekday: 'short', day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit',
  });
  const number = (n) => numbers.format(n);
  const form = (forms, n) => forms[plurals.select(n)] || forms.other;
  function showTime(time) {
    const at = new Date(time.dateTime);
    if (!isNaN(at)) time.textContent = moments.format(at);
  }
  for (const time of document.querySelectorAll('time[datetime]')) showTime(time);

  const fill = (key, values) => words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const minutes = (s) => Math.max(1, Math.round(s / 60));
  const span = (m) => (m < 60 ? fill('span.minutes', { m }) : fill('span.hours', { h: Math.floor(m / 60), m: String(m % 60).padStart(2, '0') }));
  function eta(e) {
    if (!e || e.p90 <= 0 || e.p50 >= 86400) return words['eta.unknown'];
    if (e.p90 < 60) return words['eta.soon'];
    const low = minutes(e.p50), high = minutes(e.p90);
    return low === high ? fill('eta.about', { time: span(low) }) : fill('eta.range', { low: span(low), high: span(high) });
  }

  let told = '';
  function announce(text) {
    if (text !== told) { told = text; show('announcement', text); }
  }

  // A page that nobody sees asks for nothing, unless it is to sound; what fell due is done at once when it is seen.
  const due = new Set();
  let listening = false;
  function later(run, ms) {
    setTimeout(() => { if (document.hidden && !listening) due.add(run); else run(); }, ms);
  }
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) return;
    const runs = [...due];
    due.clear();
    for (const run of runs) run();
    if (called) reload();
  });

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
    later(lookForPage, pause());
  }

  // The clock of the server, as far as this page knows it.
  const aheadMillis = Number(data.nowMs) > 0 ? Number(data.nowMs) - Date.now() : 0;
  function countDown() {
    const left = Math.max(0, Math.floor((Date.parse(byId('until').dateTime) - Date.now() - aheadMillis) / 1000));
    if (isNaN(left)) return;
    reveal('left', true);
    show('left', Math.floor(left / 60) + ':' + String(left % 60).padStart(2, '0'));
    if (left > 0) setTimeout(countDown, 1000);
  }
  const until = byId('until');
  if (until && until.dateTime) countDown();

  // A sound at one's turn, once the visitor has switched it on: three short tones, made here.
  let audio = null;
  function tone(after) {
    const at = audio.currentTime + after, wave = audio.createOscillator(), volume = audio.createGain();
    wave.frequency.value = 660;
    volume.gain.setValueAtTime(0.2, at);
    volume.gain.exponentialRampToValueAtTime(0.001, at + 0.4);
    wave.connect(volume).connect(audio.destination);
    wave.start(at);
    wave.stop(at + 0.4);
  }
  const sound = byId('sound'), wished = 'penstock_sound';
  function listen(on) {
    listening = on;
    sound.setAttribute('aria-pressed', String(on));
    try { sessionStorage.setItem(wished, on ? '1' : ''); } catch { /* this page alone remembers it */ }
  }
  if (sound && 'AudioContext' in globalThis) {
    sound.hidden = false;
    sound.addEventListener('click', () => {
      audio = audio || new AudioContext();
      audio.resume();
      listen(!listening);
      if (listening) tone(0);
    });
    try {
      if (sessionStorage.getItem(wished)) {
        audio = new AudioContext(); // a browser that wants another click says so by its state
        audio.onstatechange = () => { if (audio.state === 'running' && !listening) listen(true); };
        if (audio.state === 'running') listen(true);
      }
    } catch { /* not remembered */ }
  }

  // Whoever looks at the page goes on to the shop. Whoever does not is called, and their time in the shop does not
  // begin before they look.
  let called = false;
  function yourTurn(ticket) {
    document.title = words['called.headline'] + ' · ' + data.name;
    if (!document.hidden) { reload(); return; }
    if (called) return;
    called = true;
    show('headline', words['called.headline']);
    show('lead', words['called.lead_away']);
    announce(words['called.headline']);
    if (ticket.claim_before) {
      until.dateTime = ticket.claim_before;
      showTime(until);
      reveal('turn', true);
      countDown();
    }
    reveal('entry', true);
    if (listening) [0, 0.5, 1].forEach(tone);
  }

  // How the items stand that the page lists: for this visitor where they said for what they came, else for everybody.
  let named = !document.querySelector('[data-all]');
  const listed = document.querySelectorAll('[data-sku]');
  function showItem(line, stands, left) {
    const text = left > 0 && words.left ? form(words.left, left).replace('{n}', number(left)) : words['stock.' + stands] || '';
    const to = line.querySelector('.stands');
    line.dataset.stands = stands;
    if (to.textContent !== text) to.textContent = text;
  }
  function showItems(items, member) {
    for (const line of listed) {
      const item = (items || []).find(({ sku }) => sku === line.dataset.sku);
      if (item) showItem(line, item[member], item.units_left);
    }
  }

  function update(ticket) {
    if (ticket.state === 'called') { yourTurn(ticket); return; }
    if (ticket.state !== data.state || (ticket.outlook === 'unlikely') !== (data.outlook === 'unlikely')) { reload(); return; }
    named = ticket.items !== undefined;
    showItems(ticket.items, 'outlook');
    if (ticket.ahead === null || ticket.place === null) return;
    show('ahead', number(ticket.ahead));
    show('ahead-form', form(words.ahead, ticket.ahead));
    show('place', number(ticket.place));
    const bar = byId('progress'), from = Number(data.from);
    if (bar && from > 0) bar.value = Math.max(bar.value, Math.floor((from - ticket.ahead) * 100 / from));
    const wait = eta(ticket.eta_seconds);
    show('eta', wait);
    announce(words.wait + ': ' + wait);
    document.title = number(ticket.ahead) + ' ' + form(words.ahead, ticket.ahead) + ' · ' + data.name;
  }

  async function poll() {
    let next = 5000;
    try {
      const headers = data.ticket ? { 'Penstock-Ticket': data.ticket } : {};
      const answer = await fetch('/v1/sales/' + sale + '/ticket', { cache: 'no-store', headers });
      if (answer.status === 401 || answer.status === 403) { reload(); return; }
      if (!answer.ok) throw new Error(answer.status);
      const ticket = await answer.json();
      if (failures > 0) show('note', data.note);
      failures = 0;
      next = ticket.poll_after_ms;
      update(ticket);
    } catch {
      failures++;
      next = pause();
      show('note', words['note.trouble']);
    }
    if (!reloading) later(poll, next);
  }

  // What the operator says, read as often as the answer wants. The browser asks only whether it has changed. How the
  // items stand is read every fourth time.
  let rounds = 0;
  async function readNotice() {
    let next = 5000;
    if (listed.length && data.pollMs > 0 && ++rounds % 4 === 0) readStock();
    try {
      const answer = await fetch('/v1/sales/' + sale + '/notice');
      if (answer.status === 404) return; // the sale is gone
      if (answer.ok) {
        const notice = await answer.json();
        next = notice.refresh_after_ms;
        show('message', notice.message);
        reveal('message', notice.message !== '');
      }
    } catch { /* the next round will do */ }
    later(readNotice, next);
  }

  // A number of units that cannot be read again is not left standing: then the words say what is known.
  async function readStock() {
    if (named) return;
    try {
      const answer = await fetch('/v1/sales/' + sale);
      if (!answer.ok) throw new Error(answer.status);
      showItems((await answer.json()).items, 'availability');
    } catch {
      for (const line of listed) showItem(line, line.dataset.stands);
    }
  }

  data.note = byId('note').textContent;
  const pollMillis = Number(data.pollMs), reloadMillis = Number(data.reloadMs);
  if (pollMillis > 0) {
    later(poll, pollMillis);
  } else if (reloadMillis > 0) {
    later(reload, reloadMillis);
  }
  if (data.state !== 'unknown') later(readNotice, 1000);
})();
