// A page made of variables that has loaded client.js. Time passes only when a test says so.
import vm from 'node:vm';
import { scriptText } from './client.mjs';

const settled = async () => { for (let i = 0; i < 5; i++) await new Promise(setImmediate); };

/** A browser tab. answers is called with each request; storage is what localStorage holds, or null where it is not allowed. */
export function openPage(answers, { storage = {}, startMs = Date.parse('2026-12-01T10:00:00Z') } = {}) {
  const page = { now: startMs, timers: [], requests: [], events: [] };
  const shown = [];
  const document = {
    hidden: false, currentScript: { src: 'https://queue.shop.example/sales/static/client.js?v=1' },
    addEventListener: (type, listener) => { if (type === 'visibilitychange') shown.push(listener); },
  };
  const globals = {
    document, EventTarget, CustomEvent, URL, crypto, AbortSignal: {},
    Date: Object.assign(Object.create(Date), { now: () => page.now, parse: Date.parse }),
    performance: { now: () => page.now },
    Math: Object.assign(Object.create(Math), { min: Math.min, max: Math.max, imul: Math.imul, random: () => page.random ?? 0 }),
    setTimeout: (run, after) => { const timer = { at: page.now + after, run }; page.timers.push(timer); return timer; },
    clearTimeout: (timer) => { page.timers = page.timers.filter((one) => one !== timer); },
    fetch: async (url, request) => {
      const seen = { ...request, url, path: new URL(url).pathname, headers: Object.fromEntries(request.headers), at: page.now - startMs };
      page.requests.push(seen);
      const { status = 200, headers = {}, doc, text = doc ? JSON.stringify(doc) : '' } = await answers(seen, page.requests.length);
      return { ok: status < 400, status, headers: new Headers(headers), text: async () => text };
    },
  };
  Object.defineProperty(globals, 'localStorage', { get() { if (storage) return storage; throw new Error('not allowed'); } });
  vm.runInNewContext(scriptText, globals);
  page.connect = (options) => {
    const client = globals.Penstock.connect({ sale: 'spring', ...options });
    for (const type of ['ticket', 'state', 'problem']) client.addEventListener(type, ({ detail }) => page.events.push({ type, detail, at: page.now - startMs }));
    return client;
  };
  page.of = (type) => page.events.filter((one) => one.type === type);
  page.times = () => page.requests.map((one) => one.at);
  /** Lets this much time pass, in ms. */
  page.pass = async (ms) => {
    for (const end = page.now + ms; ;) {
      await settled();
      page.timers.sort((a, b) => a.at - b.at);
      if (!page.timers.length || page.timers[0].at > end) { page.now = end; return; }
      const next = page.timers.shift();
      page.now = Math.max(page.now, next.at);
      next.run();
    }
  };
  page.show = async (visible) => {
    document.hidden = !visible;
    for (const listener of shown) listener();
    await settled();
  };
  /** Waits for a call while time passes; tells what it came to. */
  page.outcome = async (call, ms = 120_000) => {
    let outcome;
    call.then((value) => { outcome = { value, at: page.now - startMs }; }, (error) => { outcome = { error, at: page.now - startMs }; });
    for (let passed = 0; !outcome && passed < ms; passed += 250) await page.pass(250);
    return outcome;
  };
  return page;
}

export const ticket = (state, more) => ({
  doc: { ticket: 'T1', state, place: 7, ahead: 3, eta_seconds: { p50: 60, p90: 120 }, poll_after_ms: 2000, ...more },
});
export const problem = (status, code, { headers, ...more } = {}) => ({ status, headers, doc: { type: 'urn:penstock:problem:' + code, title: code, status, code, ...more } });
export const broken = () => { throw new TypeError('failed to fetch'); };
