// Runs static/room.js against a page and a server that are made of variables. Time passes only when
// a test says so.
'use strict';
const test = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const vm = require('node:vm');

const source = fs.readFileSync(path.join(__dirname, '..', 'static', 'room.js'), 'utf8');

// wordsOf are the texts that the page of a language hands to the script.
function wordsOf(language) {
  const file = JSON.parse(fs.readFileSync(path.join(__dirname, '..', '..', 'words', 'languages', language + '.json'), 'utf8'));
  return { ...file.texts, ahead: file.forms.ahead };
}

// open loads the script into a page with these data attributes. answers is called for each request.
function open(data, answers, language = 'en') {
  const words = wordsOf(language);
  const elements = new Map();
  const element = (id) => {
    if (!elements.has(id)) elements.set(id, { textContent: '', hidden: false, dataset: {} });
    return elements.get(id);
  };
  element('room').dataset = { sale: 'spring', name: 'Spring drop', note: '', outlook: '', from: '6', words: JSON.stringify(words), ...data };
  element('progress').value = 0;
  const shown = [];
  const document = {
    getElementById: element, querySelectorAll: () => [], querySelector: () => null, documentElement: { lang: language }, hidden: false, title: '',
    addEventListener: (type, listener) => { if (type === 'visibilitychange') shown.push(listener); },
  };
  const page = { now: 0, timers: [], requests: [], loads: 0, document, text: (id) => element(id).textContent, element };
  page.see = (visible) => { document.hidden = !visible; for (const listener of shown) listener(); };
  vm.runInNewContext(source, {
    document, Intl, navigator: { languages: ['de-AT', 'en-GB'] },
    location: { pathname: '/sales/spring', replace: () => { page.loads++; } },
    setTimeout: (run, after) => { page.timers.push({ at: page.now + after, run }); },
    fetch: async (url, options) => {
      const request = { method: 'GET', ...options, url, at: page.now };
      if ((url.endsWith('/spring') || url.endsWith('/notice')) && request.method === 'GET') return { ok: false, status: 503 };
      page.requests.push(request);
      return answers(page.requests.length, request);
    },
    Math: Object.assign(Object.create(Math), { min: Math.min, max: Math.max, round: Math.round, floor: Math.floor, random: () => 0.999 }),
    Number, String, Date, Error, JSON, Set, isNaN, encodeURIComponent,
  });
  page.run = async (millis) => {
    const end = page.now + millis;
    for (;;) {
      for (let i = 0; i < 10; i++) await Promise.resolve(); // what is waiting for an answer goes on
      page.timers.sort((a, b) => a.at - b.at);
      if (page.timers.length === 0 || page.timers[0].at > end) break;
      const next = page.timers.shift();
      page.now = next.at;
      next.run();
    }
    page.now = end;
  };
  return page;
}

const ticket = (state) => ({ ok: true, status: 200, json: async () => ({ state, place: 7, ahead: 3, eta_seconds: { p50: 60, p90: 120 }, poll_after_ms: 2000 }) });
const refusal = (status) => ({ ok: false, status, json: async () => ({}) });
const waiting = { state: 'waiting', pollMs: '2000', reloadMs: '0' };

for (const [name, bad] of [['404', () => refusal(404)], ['503', () => refusal(503)], ['502', () => refusal(502)], ['no network', () => { throw new TypeError('failed to fetch'); }]]) {
  test('polls go on after ' + name + ' and never load a page for it', async () => {
    const page = open(waiting, (n) => (n <= 6 ? bad() : ticket('waiting')));
    await page.run(60000);
    assert.match(page.text('note'), /coming back.*place is kept/);
    await page.run(240000);
    assert.strictEqual(page.loads, 0);
    assert.ok(page.requests.length > 20, 'requests: ' + page.requests.length);
    assert.strictEqual(page.text('note'), '');
    assert.strictEqual(page.text('ahead'), '3');
  });
}

test('the pause between failures grows to 30 s and no further', async () => {
  const page = open(waiting, () => refusal(503));
  await page.run(600000);
  const gaps = page.requests.slice(1).map((r, i) => r.at - page.requests[i].at);
  assert.ok(gaps[0] <= 3000, 'first pause ' + gaps[0]);
  for (let i = 1; i < gaps.length; i++) assert.ok(gaps[i] >= gaps[i - 1] - 1 && gaps[i] <= 30000, 'pauses ' + gaps);
  assert.ok(gaps.at(-1) > 20000, 'last pause ' + gaps.at(-1));
});

test('a changed state loads the page of it, once the server answers', async () => {
  const page = open(waiting, (n) => (n === 1 ? ticket('called') : n <= 4 ? refusal(503) : { ok: false, status: 0, type: 'opaqueredirect' }));
  await page.run(3000);
  assert.strictEqual(page.loads, 0);
  await page.run(60000);
  assert.strictEqual(page.loads, 1);
  assert.ok(page.requests.slice(1).every((r) => r.method === 'HEAD'));
});

test('the page of a sale that is coming back, or not known, loads again when it is there', async () => {
  const page = open({ state: 'returning', pollMs: '0', reloadMs: '3000' }, (n) => {
    if (n === 1) return refusal(503);
    if (n === 2) return refusal(404);
    if (n === 3) throw new TypeError('failed to fetch');
    return { ok: true, status: 200 };
  });
  await page.run(3500);
  assert.strictEqual(page.loads, 0);
  await page.run(30000);
  assert.strictEqual(page.loads, 1);
});

test('a page that nobody sees asks for nothing, and asks at once when it is seen', async () => {
  const page = open(waiting, () => ticket('waiting'));
  page.see(false);
  await page.run(600000);
  assert.strictEqual(page.requests.length, 0);
  page.see(true);
  await page.run(0);
  assert.strictEqual(page.requests.length, 1);
  await page.run(2000);
  assert.strictEqual(page.requests.length, 2);
});

test('a page that nobody sees does not load the page of another state either', async () => {
  const page = open({ state: 'returning', pollMs: '0', reloadMs: '3000' }, () => ({ ok: true, status: 200 }));
  page.see(false);
  await page.run(600000);
  assert.strictEqual(page.loads, 0);
  page.see(true);
  await page.run(0);
  assert.strictEqual(page.loads, 1);
});

test('numbers, waits and forms are those of the language', async () => {
  const page = open(waiting, () => ({ ok: true, status: 200, json: async () => ({
    state: 'waiting', place: 12345, ahead: 1, eta_seconds: { p50: 180, p90: 3900 }, poll_after_ms: 2000,
  }) }), 'de');
  await page.run(2000);
  assert.strictEqual(page.text('place'), (12345).toLocaleString('de-AT'));
  assert.strictEqual(page.text('ahead-form'), 'Person vor Ihnen');
  assert.strictEqual(page.text('eta'), '3 Min. bis 1 Std. 05 Min.');
  assert.strictEqual(page.document.title, '1 Person vor Ihnen · Spring drop');
});

test('the way to the front never becomes longer', async () => {
  const ahead = [3, 5, 1];
  const page = open(waiting, (n) => ({ ok: true, status: 200, json: async () => ({
    state: 'waiting', place: 7, ahead: ahead[Math.min(n, 3) - 1], eta_seconds: { p50: 60, p90: 120 }, poll_after_ms: 2000,
  }) }));
  const values = [];
  for (let i = 0; i < 3; i++) { await page.run(2000); values.push(page.element('progress').value); }
  assert.deepStrictEqual(values, [50, 50, 83]);
});

test('a turn that becomes unlikely loads the page that says so', async () => {
  const unlikely = { ...ticket('waiting') };
  unlikely.json = async () => ({ ...(await ticket('waiting').json()), outlook: 'unlikely' });
  const page = open(waiting, (n) => (n === 1 ? unlikely : { ok: true, status: 200 }));
  await page.run(2000);
  assert.strictEqual(page.loads, 1);
});
