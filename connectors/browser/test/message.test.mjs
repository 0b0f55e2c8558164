// What the operator says, on pages that are open in headless Chromium.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { chromiumOptions } from './support/chromium.mjs';
import { startPenstock } from './support/penstock.mjs';
import { openQueue } from './support/room.mjs';

/** How long a change may take to be on each open page, in ms. */
const bound = 3000;
/** A machine that is busy with something else may be late; a page that reads too seldom is late each time. */
const tries = 3;

let server, browser;
before(async () => {
  server = await startPenstock();
  browser = await chromium.launch(chromiumOptions);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function open(sale, options) {
  const page = await (await browser.newContext(options)).newPage();
  await page.addInitScript(() => {
    let hidden = false;
    Object.defineProperty(document, 'hidden', { get: () => hidden });
    window.see = (visible) => { hidden = !visible; document.dispatchEvent(new Event('visibilitychange')); };
  });
  await page.goto(`${server.front}/sales/${sale}`);
  return page;
}

const shows = (page, text) => page.waitForFunction((wanted) => {
  const message = document.getElementById('message');
  return message && (wanted === '' ? message.hidden : !message.hidden && message.textContent === wanted);
}, text, { polling: 50, timeout: 60_000 });

/** Makes a change and waits until it is on all pages; it is made again, with another text, when that took too long. */
async function inTime(name, pages, change) {
  const took = [];
  for (let i = 0; i < tries; i++) {
    const text = await change(i);
    const from = performance.now();
    await Promise.all(pages.map((page) => shows(page, text)));
    took.push(Math.round(performance.now() - from));
    if (took.at(-1) <= bound) return;
  }
  assert.fail(`${name}: ${took} ms`);
}

const say = (sale, message) => server.admin('PUT', `/sales/${sale}/message`, { message });

test('each open page shows the message within 3 s, and it is gone within 3 s', async (t) => {
  const crowded = { admission: { rate_per_minute: 60_000, max_active: 1 } };
  await openQueue(server, 'early');
  await server.openSale('live', crowded);
  const first = await open('live'); // takes the only slot
  const early = await open('early'), waiting = await open('live'), german = await open('early', { locale: 'de' });
  const pages = { early: [early, german], live: [first, waiting] };
  for (const [sale, those] of Object.entries(pages)) {
    await inTime(sale + ': set', those, async (i) => { await say(sale, 'Back at ten ' + i); return 'Back at ten ' + i; });
    await inTime(sale + ': taken down', those, async (i) => {
      if (i > 0) { await say(sale, 'Again'); await Promise.all(those.map((page) => shows(page, 'Again'))); }
      await say(sale, '');
      return '';
    });
  }
  await t.test('also on one that was hidden meanwhile', async () => {
    await early.evaluate(() => window.see(false));
    await say('early', 'While away');
    await shows(german, 'While away');
    assert.ok(await early.locator('#message').isHidden(), 'a page that nobody sees asks for nothing');
    const from = performance.now();
    await early.evaluate(() => window.see(true));
    await shows(early, 'While away');
    assert.ok(performance.now() - from < bound);
    await early.evaluate(() => window.see(false));
    await say('early', '');
    await shows(german, '');
    await early.evaluate(() => window.see(true));
    await inTime('seen again', [early], () => '');
  });
  await t.test('and it is gone with its phase', async () => {
    await inTime('paused', [waiting], async (i) => {
      if (i > 0) await server.admin('POST', '/sales/live/resume');
      await say('live', 'Ten more minutes');
      await shows(waiting, 'Ten more minutes');
      await server.admin('POST', '/sales/live/pause');
      return '';
    });
  });
});

test('without JavaScript a page shows the message when it next loads itself', async () => {
  await openQueue(server, 'plain');
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(server.front + '/sales/plain');
  const refresh = /http-equiv="refresh" content="(\d+)"/.exec(await page.content());
  assert.ok(refresh && refresh[1] >= 3 && refresh[1] <= 60, 'it loads itself');
  await say('plain', 'Back at ten');
  await page.locator('#message').getByText('Back at ten').waitFor({ timeout: (Number(refresh[1]) + 20) * 1000 });
  await context.close();
});
