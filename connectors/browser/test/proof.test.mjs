// A sale that asks for a proof of work, in headless Chromium: the page and the client get a place by themselves.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { chromiumOptions } from './support/chromium.mjs';
import { solve } from '../../../internal/front/static/proof.mjs';
import { freePort, startPenstock } from './support/penstock.mjs';
import { startShop } from './support/shop.mjs';

let server, shop, shopAt, browser;
before(async () => {
  const port = await freePort();
  shopAt = `http://localhost:${port}`;
  server = await startPenstock([shopAt]);
  shop = await startShop(port, server.front);
  browser = await chromium.launch(chromiumOptions);
  for (const id of ['page', 'client', 'plain']) {
    await server.openSale(id, { bots: { proof: 'always' }, admission: { rate_per_minute: 60_000, max_active: id === 'page' ? 1 : 1000 } });
  }
});
after(async () => {
  await browser?.close();
  shop?.stop();
  await server?.stop();
});

/** Takes a place without a browser. */
async function joinBySolving(sale) {
  const tickets = `${server.front}/v1/sales/${sale}/tickets`;
  const { code, challenge } = await (await fetch(tickets, { method: 'POST' })).json();
  assert.equal(code, 'proof_required');
  const body = JSON.stringify({ proof: await solve(challenge) });
  const answer = await fetch(tickets, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } });
  assert.equal(answer.status, 201);
}

async function openPage(options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(String(error)));
  page.on('console', (message) => { if (message.type() === 'error') page.faults.push(message.text()); });
  return page;
}

test('the page solves the challenge in a worker, and the visitor gets a place with all that is in the address', async () => {
  await joinBySolving('page'); // takes the one slot
  const page = await openPage();
  let workers = 0;
  page.on('worker', () => { workers++; });
  await page.goto(server.front + '/sales/page?items=A&variant=42');
  await page.waitForSelector('#ahead', { timeout: 60_000 });
  assert.equal(new URL(page.url()).search.replace('&penstock_cookies=1', ''), '?items=A&variant=42');
  assert.equal(await page.locator('[data-sku="A"]').count(), 1);
  assert.equal(workers, 1);
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test('without JavaScript the page says that it is needed', async () => {
  const page = await openPage({ javaScriptEnabled: false, locale: 'de' });
  await page.goto(server.front + '/sales/plain');
  assert.match(await page.locator('#room').innerText(), /braucht JavaScript/);
  await page.context().close();
});

// stateAfterJoin has the client of a shop's page take a place, and tells its state.
const stateAfterJoin = (page) => page.evaluate(async (front) => {
  const client = window.Penstock.connect({ front, sale: 'client' });
  const { state } = await client.join();
  client.stop();
  return state;
}, server.front);

test('the client on a page of another origin solves it beside the page', async () => {
  const page = await openPage();
  await page.goto(shopAt);
  let workers = 0;
  page.on('worker', () => { workers++; });
  assert.match(await stateAfterJoin(page), /waiting|called/);
  assert.equal(workers, 1);
  await page.context().close();
});

test('where there can be no worker the client solves it on the page', async () => {
  const page = await openPage();
  await page.addInitScript(() => { delete window.Worker; });
  await page.goto(shopAt);
  assert.match(await stateAfterJoin(page), /waiting|called/);
  await page.context().close();
});

test('the solver finds the number whatever the length of the salt', async () => {
  for (const length of [10, 55, 56, 63, 64, 72, 119, 128]) {
    const salt = 'ab'.repeat(100).slice(0, length - 1) + '&', number = length * 19;
    const challenge = createHash('sha256').update(salt + number).digest('hex');
    const solution = JSON.parse(atob(await solve({ algorithm: 'SHA-256', challenge, salt, maxnumber: 5000, signature: 's' })));
    assert.deepEqual(solution, { algorithm: 'SHA-256', challenge, number, salt, signature: 's' });
  }
  await assert.rejects(solve({ algorithm: 'SHA-256', challenge: '0'.repeat(64), salt: 'a', maxnumber: 5, signature: 's' }));
  await assert.rejects(solve({ algorithm: 'SHA-1', challenge: '0', salt: 'a', maxnumber: 5, signature: 's' }));
});
