// The client in headless Chromium, on a page of another origin than the front's: on the same site, where cookies
// arrive; on another site, where they do not; and in a browser that keeps nothing at all.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { chromiumOptions } from './support/chromium.mjs';
import { startPenstock } from './support/penstock.mjs';
import { freePort, startShop } from './support/shop.mjs';

let server, shop, browser, sameSite, otherSite;
before(async () => {
  const port = await freePort();
  [sameSite, otherSite] = [`http://127.0.0.1:${port}`, `http://localhost:${port}`];
  server = await startPenstock([sameSite, otherSite]);
  shop = await startShop(port, server.front);
  browser = await chromium.launch(chromiumOptions);
});
after(async () => {
  await browser?.close();
  shop?.stop();
  await server?.stop();
});

/** Opens the shop and counts what it sends to the front. */
async function open(context, origin) {
  const page = await context.newPage();
  const sent = [];
  page.on('request', (request) => { if (request.url().startsWith(server.front)) sent.push(request); });
  page.on('pageerror', (error) => { throw error; });
  await page.goto(origin);
  return { page, sent };
}

/** Runs in the page: from the line to the order. */
async function buy([sale, front]) {
  const client = (front ? window.connectModule : Penstock.connect)({ sale, ...(front && { front }) });
  const turn = new Promise((done) => client.addEventListener('state', ({ detail }) => { if (detail.state === 'called') done(); }));
  const poll = new Promise((done) => { let n = 0; client.addEventListener('ticket', () => { if (++n === 2) done(); }); });
  await client.sale();
  await client.join();
  await turn;
  await poll; // which tells whether cookies arrive
  await client.claim();
  const held = await client.reserve({ customer: 'ada', items: [{ sku: 'A', quantity: 1 }] });
  const left = client.msUntil(held.expires_at);
  const order = await client.order({ reservation: held.id, customer: { email: 'ada@example.com' } });
  client.stop();
  let stored;
  try { stored = JSON.stringify(localStorage); } catch (e) { stored = e.name; }
  return { order, left, stored };
}

/** Runs in the page. */
const resume = async (sale) => {
  const client = Penstock.connect({ sale });
  const found = await client.resume();
  client.stop();
  return found;
};

const ticketsShown = (sent) => sent.filter((one) => one.headers()['penstock-ticket']).length;

test('on another origin of the same site the credentials are cookies, and no script can read them', async (t) => {
  await server.openSale('cookies');
  const context = await browser.newContext();
  t.after(() => context.close());
  const { page, sent } = await open(context, sameSite);
  const { order, left, stored } = await page.evaluate(buy, ['cookies']);
  assert.match(order.id, /^ord_/);
  assert.ok(left > 270_000 && left < 305_000, `${left} ms left of five minutes`);
  assert.equal(ticketsShown(sent), 0);
  assert.doesNotMatch(stored, /"(ticket|pass)|ticket\\"/);
  const cookies = await context.cookies(server.front);
  assert.ok(cookies.some(({ name }) => name === 'penstock_ticket_cookies'));
  assert.ok(cookies.every(({ httpOnly }) => httpOnly));

  await page.reload();
  const found = await page.evaluate(resume, 'cookies');
  assert.equal(found.order.id, order.id);
  assert.ok(found.ticket);
});

test('on another site the credentials travel as headers, and outlive a reload', async (t) => {
  await server.openSale('headers');
  const context = await browser.newContext();
  t.after(() => context.close());
  const { page, sent } = await open(context, otherSite);
  const { order } = await page.evaluate(buy, ['headers']);
  assert.match(order.id, /^ord_/);
  assert.ok(ticketsShown(sent) > 0);
  assert.deepEqual(await context.cookies(server.front), []);

  await page.reload();
  const found = await page.evaluate(resume, 'headers');
  assert.equal(found.order.id, order.id);
  assert.ok(found.ticket);
});

test('in a browser that allows no cookies and no storage a visitor can buy, until the page is left', async (t) => {
  await server.openSale('nothing');
  const profile = await mkdtemp(join(tmpdir(), 'penstock-profile-'));
  await mkdir(join(profile, 'Default'));
  await writeFile(join(profile, 'Default', 'Preferences'), JSON.stringify({ profile: { default_content_setting_values: { cookies: 2 } } }));
  const context = await chromium.launchPersistentContext(profile, chromiumOptions);
  t.after(async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  });
  const { page } = await open(context, sameSite);
  const { order, stored } = await page.evaluate(buy, ['nothing']);
  assert.match(order.id, /^ord_/);
  assert.equal(stored, 'SecurityError');
  assert.deepEqual(await page.evaluate(resume, 'nothing'), { ticket: undefined, reservation: undefined, order: undefined });
});

test('the module does the same as the script', async (t) => {
  await server.openSale('module');
  const context = await browser.newContext();
  t.after(() => context.close());
  const { page } = await open(context, sameSite);
  const { order } = await page.evaluate(buy, ['module', server.front]);
  assert.match(order.id, /^ord_/);
});

test('a page of an origin that is not allowed gets no answer but the public document', async (t) => {
  await server.openSale('foreign');
  const port = await freePort();
  const foreign = await startShop(port, server.front);
  const context = await browser.newContext();
  t.after(async () => { await context.close(); foreign.stop(); });
  const { page } = await open(context, `http://127.0.0.1:${port}`);
  const codes = await page.evaluate(async () => {
    const client = Penstock.connect({ sale: 'foreign', timeoutMs: 0 });
    return [(await client.sale()).phase, await client.join().catch((e) => e.code)];
  });
  assert.deepEqual(codes, ['live', 'no_answer']);
});
