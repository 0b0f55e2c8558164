// Runs static/room.js against a page and a server that are made of variables. Time passes only when
// a test says so.
'use strict';
const test = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const vm = require('node:vm');

const source = fs.readFileSync(path.join(__dirname, '..', 'static', 'room.js'), 'utf8');

// open loads the script into a page with these data attributes. answers is called for each request.
function open(data, answers) {
  const elements = new Map();
  const element = (id) => {
    if (!elements.has(id)) elements.set(id, { textContent: '', hidden: false, dataset: {} });
    return elements.get(id);
  };
  element('room').dataset = { sale: 'spring', note: '', ...data };
  const page = { now: 0, timers: [], requests: [], loads: 0, text: (id) => element(id).textContent };
  vm.runInNewContext(source, {
    document: { getElementById: element, querySelectorAll: () => [] },
    location: { pathname: '/sales/spring', replace: () => { page.loads++; } },
    setTimeout: (run, after) => { page.timers.push({ at: page.now + after, run }); },
    fetch: async (url, options) => {
      const request = { method: 'GET', ...options, url, at: page.now };
      if (url.endsWith('/spring') && request.method === 'GET') return { ok: false, status: 503 };
      page.requests.push(request);
      return answers(page.requests.length, request);
    },
    Math: Object.assign(Object.create(Math), { min: Math.min, max: Math.max, round: Math.round, floor: Math.floor, random: () => 0.999 }),
    Number, String, Date, Error, isNaN, encodeURIComponent,
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
