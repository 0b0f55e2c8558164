// The waiting-room page in headless Chromium: each state, in each language, light and dark.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { chromiumOptions } from './support/chromium.mjs';
import { eventually, startPenstock } from './support/penstock.mjs';
import { openQueue, openRooms, previews, serveImages, telling, tellingSettings, theme } from './support/room.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const languages = ['en', 'de', 'fr', 'es', 'it', 'pt', 'nl', 'pl', 'tr', 'ja', 'zh', 'ar'];

let server, browser;
before(async () => {
  server = await startPenstock([], tellingSettings);
  await openRooms(server);
  await openQueue(server, 'queue', { notify: telling });
  await openQueue(server, 'themed-queue', { notify: telling, page: theme });
  browser = await chromium.launch(chromiumOptions);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function openContext(options) {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, ...options });
  await serveImages(context);
  return context;
}

/** What axe finds on the page as it is. */
async function faults(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run());
  return violations.map(({ id, nodes }) => id + ': ' + nodes.map((node) => node.html.slice(0, 160)).join(' | '));
}

for (const [sale, spoken] of [['plain', languages], ['themed', ['en', 'ar']]]) {
  test(`axe finds nothing on the ${sale} page, in each state, language and scheme`, async () => {
    const found = [];
    const check = async (language) => {
      const context = await openContext();
      const page = await context.newPage();
      page.on('pageerror', (error) => found.push(String(error)));
      page.on('console', (message) => { if (message.type() === 'error') found.push(message.text()); });
      for (const { state, url } of await previews(server, sale, language)) {
        await page.goto(url);
        assert.equal(await page.locator('html').getAttribute('lang'), language);
        for (const colorScheme of ['light', 'dark']) {
          await page.emulateMedia({ colorScheme });
          for (const fault of await faults(page)) found.push(`${language} ${state} ${colorScheme}: ${fault}`);
        }
      }
      await context.close();
    };
    for (let i = 0; i < spoken.length; i += 3) await Promise.all(spoken.slice(i, i + 3).map(check));
    assert.deepEqual(found, []);
  });
}

/** What a visitor who waits can open beside the waiting room: its name, and the end of its address. */
const besides = [['another device', '?penstock_device=1'], ['telling, a wrong address', '?penstock_notify=bad'], ['telling, off', '?penstock_notify=off']];

for (const [sale, spoken] of [['queue', languages], ['themed-queue', ['de', 'ar']]]) {
  test(`axe finds nothing on the pages beside the waiting room of ${sale}, in each language and scheme`, async () => {
    const found = [];
    const check = async (language) => {
      const context = await openContext({ locale: language });
      const page = await context.newPage();
      page.on('pageerror', (error) => found.push(String(error)));
      page.on('console', (message) => { if (message.type() === 'error') found.push(message.text()); });
      const look = async (name) => {
        assert.equal(await page.locator('html').getAttribute('lang'), language);
        for (const colorScheme of ['light', 'dark']) {
          await page.emulateMedia({ colorScheme });
          for (const fault of await faults(page)) found.push(`${language} ${name} ${colorScheme}: ${fault}`);
        }
      };
      const room = server.front + '/sales/' + sale;
      await page.goto(room);
      for (const [name, query] of besides.slice(0, sale === 'queue' ? 2 : 3)) { await page.goto(room + query); await look(name); }
      await page.goto(room + '?penstock_notify=1');
      await page.locator('#email').fill('ada@example.com');
      await page.locator('#email').press('Enter');
      await page.locator('#off').waitFor();
      await look('telling, on');
      await context.close();
    };
    for (let i = 0; i < spoken.length; i += 3) await Promise.all(spoken.slice(i, i + 3).map(check));
    assert.deepEqual(found, []);
  });
}

test('axe finds nothing on the page of a report, in each language and scheme, and nothing is cut off', async () => {
  await server.openSale('over');
  await fetch(server.front + '/v1/sales/over/tickets', { method: 'POST' });
  await server.admin('POST', '/sales/over/end');
  const report = server.front + '/sales/over/fairness';
  await eventually('the report is published', async () => (await fetch(report)).ok, 60_000);
  const found = [];
  const check = async (language) => {
    const context = await openContext({ locale: language, viewport: { width: 320, height: 640 } });
    const page = await context.newPage();
    await page.goto(report);
    assert.equal(await page.locator('html').getAttribute('lang'), language);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      for (const fault of await faults(page)) found.push(`${language} ${colorScheme}: ${fault}`);
    }
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (over > 0) found.push(`${language}: ${over} pixels too wide`);
    await context.close();
  };
  for (let i = 0; i < languages.length; i += 3) await Promise.all(languages.slice(i, i + 3).map(check));
  assert.deepEqual(found, []);
});

test('nothing is cut off at a width of 320 pixels, nor with text of twice the size', async () => {
  for (const language of ['de', 'ar', 'ja']) {
    const context = await openContext({ viewport: { width: 320, height: 640 }, locale: language });
    const page = await context.newPage();
    await page.goto(server.front + '/sales/themed-queue');
    const beside = besides.map(([state, query]) => ({ state, url: server.front + '/sales/themed-queue' + query }));
    for (const { state, url } of [...await previews(server, 'themed', language), ...beside]) {
      await page.goto(url);
      for (const size of ['100%', '200%']) {
        const over = await page.evaluate((fontSize) => {
          document.documentElement.style.fontSize = fontSize;
          return document.documentElement.scrollWidth - document.documentElement.clientWidth;
        }, size);
        assert.ok(over <= 0, `${language} ${state} at ${size}: ${over} pixels too wide`);
      }
    }
    await context.close();
  }
});

test('everything on the page is reached by keyboard, and one sees where one is', async () => {
  const context = await openContext();
  const page = await context.newPage();
  const [{ url }] = (await previews(server, 'themed', 'en')).filter(({ state }) => state === 'sold_out');
  await page.goto(url);
  const reached = [];
  for (let i = 0; i < 12; i++) {
    await page.keyboard.press('Tab');
    const now = await page.evaluate(() => {
      const e = document.activeElement;
      return e === document.body ? '' : e.textContent.trim() + ' ' + getComputedStyle(e).outlineStyle;
    });
    if (now === '') break;
    reached.push(now);
  }
  for (const name of ['Join the waiting list', 'Cork clog', 'Felt slipper', 'Help', 'Terms', 'Privacy']) assert.ok(reached.includes(name + ' solid'), `${name} in ${reached}`);
  await context.close();
});

test('how many units are left follows the stock, and gives way to words when it cannot be read', async () => {
  await server.openSale('numbers', { page: { show_stock: 'numbers' }, admission: { rate_per_minute: 60_000, max_active: 1 } });
  const call = async (path, headers, body) => (await fetch(server.front + '/v1/sales/numbers/' + path, {
    method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: body && JSON.stringify(body),
  })).json();
  const { ticket } = await call('tickets', {});
  let pass;
  await eventually('the first visitor is in the shop', async () => ({ pass } = await call('passes', { 'Penstock-Ticket': ticket })).pass);
  const reserve = (quantity) => call('reservations', { 'Penstock-Pass': pass, 'Idempotency-Key': 'take-' + quantity }, { customer: 'zoe', items: [{ sku: 'A', quantity }] });
  const context = await openContext({ locale: 'de' });
  const page = await context.newPage();
  await page.goto(server.front + '/sales/numbers');
  const left = page.locator('.stands');
  assert.equal(await left.textContent(), 'noch 10');
  await reserve(3);
  await left.getByText('noch 7', { exact: true }).waitFor();
  await context.route('**/v1/sales/numbers', (route) => route.abort());
  await left.getByText('vorrätig', { exact: true }).waitFor();
  await context.unroute('**/v1/sales/numbers');
  await reserve(7);
  await left.getByText('alles reserviert, manches kommt vielleicht zurück', { exact: true }).waitFor();
  await context.close();
});

test('who wants less motion gets none', async () => {
  const context = await openContext({ reducedMotion: 'reduce' });
  const page = await context.newPage();
  const [{ url }] = (await previews(server, 'plain', 'en')).filter(({ state }) => state === 'called');
  await page.goto(url);
  assert.equal(await page.locator('a.button').evaluate((e) => getComputedStyle(e).transitionDuration), '0s');
  await context.close();
});

test('the time that is left counts down, and a sound can be switched on', async () => {
  const context = await openContext();
  const page = await context.newPage();
  const all = await previews(server, 'plain', 'en');
  const urlOf = (wanted) => all.find(({ state }) => state === wanted).url;
  await page.goto(urlOf('called'));
  const first = await page.locator('#left').textContent();
  assert.match(first, /^[12]:\d\d$/);
  await page.waitForFunction((before) => document.getElementById('left').textContent !== before, first);
  await page.goto(urlOf('waiting'));
  const sound = page.getByRole('button', { name: 'Sound at my turn' });
  await sound.click();
  assert.equal(await sound.getAttribute('aria-pressed'), 'true');
  await sound.click();
  assert.equal(await sound.getAttribute('aria-pressed'), 'false');
  await context.close();
});
