// The example shop (examples/static-drop) in Chromium, from the line to the order, on a phone and on a desktop.
// Each step is checked by axe. PICTURES=DIR keeps a picture of each step.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { chromiumOptions } from './support/chromium.mjs';
import { freePort, startPenstock } from './support/penstock.mjs';

const read = (name) => readFileSync(fileURLToPath(new URL('../../../examples/static-drop/' + name, import.meta.url)), 'utf8');
const axe = readFileSync(fileURLToPath(new URL('../node_modules/axe-core/axe.min.js', import.meta.url)), 'utf8');
const sizes = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 860 } };

let server, shop, browser, origin;
before(async () => {
  const port = await freePort();
  origin = `http://127.0.0.1:${port}`;
  server = await startPenstock([origin]);
  const types = { html: 'text/html', css: 'text/css', js: 'text/javascript' };
  shop = createServer((asked, answer) => { // /SALE is the page for that sale
    const name = asked.url.endsWith('.css') || asked.url.endsWith('.js') ? asked.url.slice(1) : 'index.html';
    const text = read(name).replaceAll('http://localhost:8080', server.front).replace('data-sale="demo"', `data-sale="${asked.url.slice(1)}"`);
    answer.writeHead(200, { 'Content-Type': types[name.split('.').pop()] }).end(text);
  });
  await new Promise((done) => shop.listen(port, '127.0.0.1', done));
  browser = await chromium.launch(chromiumOptions);
});
after(async () => {
  await browser?.close();
  shop?.close();
  shop?.closeAllConnections();
  await server?.stop();
});

async function open(t, sale, size, options) {
  const context = await browser.newContext({ viewport: sizes[size], locale: 'en-GB', ...options });
  t.after(() => context.close());
  const page = await context.newPage();
  page.on('pageerror', (error) => { throw error; });
  await page.goto(`${origin}/${sale}`);
  return page;
}

/** Waits for a step, and holds the page of it to the rules of WCAG 2.2 AA. */
async function at(page, step, picture) {
  await page.locator(`[data-step=${step}]`).waitFor({ state: 'visible' });
  if (process.env.PICTURES) await page.screenshot({ path: `${process.env.PICTURES}/${picture}.png`, fullPage: true });
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes[0].html]), [], `at the step ${step}`);
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(wider, 0, `at the step ${step} the page is wider than the window`);
}

const press = (page, name) => page.getByRole('button', { name, exact: true }).click();
const item = { sku: 'SNKR-42', name: 'Sneaker, size 42', stock: 3, price: { amount: 12900, currency: 'EUR' } };

test('a visitor buys on a phone', async (t) => {
  await server.openSale('buy', { items: [item], reservation: { per_customer: 2, max_extensions: 1 } });
  const page = await open(t, 'buy', 'phone', { colorScheme: 'dark' });
  await at(page, 'none', 'phone-1-start');
  assert.equal(await page.locator('#price').textContent(), '€129.00');
  await press(page, 'Join the line');
  await at(page, 'called', 'phone-2-called');
  assert.match(await page.title(), /^Your turn!/);
  await press(page, 'Start buying');
  await at(page, 'admitted', 'phone-3-admitted');
  await page.getByLabel('Your e-mail address').fill('ada@example.com');
  await press(page, 'Reserve one pair');
  await at(page, 'held', 'phone-4-held');
  assert.match(await page.locator('#hold-clock').textContent(), /^(5:00|4:\d\d)$/);
  assert.equal(await page.getByLabel('The order goes to').inputValue(), 'ada@example.com');
  await press(page, 'I need more time');
  await page.reload(); // which loses nothing
  await page.locator('[data-step=held]').waitFor();
  await press(page, 'I need more time');
  await page.getByText('There is no more time to give.').waitFor();
  await page.getByLabel('The order goes to').fill('ada@example.com');
  await press(page, 'Place the order');
  await page.getByText('Your order is confirmed.').waitFor();
  await at(page, 'ordered', 'phone-5-ordered');
  const number = await page.locator('#order-number').textContent();
  assert.match(number, /^ord_/);
  await page.reload();
  await page.getByText(number).waitFor();
});

test('a visitor waits, is told of a lost connection, and is called when another leaves, on a desktop', async (t) => {
  await server.openSale('wait', { items: [item], admission: { rate_per_minute: 60_000, max_active: 1 } });
  const first = await open(t, 'wait', 'desktop');
  await press(first, 'Join the line');
  await press(first, 'Start buying');
  await first.getByLabel('Your e-mail address').fill('ada@example.com');
  await press(first, 'Reserve one pair');
  await at(first, 'held', 'desktop-4-held');
  const second = await open(t, 'wait', 'desktop');
  await press(second, 'Join the line');
  await at(second, 'waiting', 'desktop-2-waiting');
  await second.context().setOffline(true);
  await second.getByText('Your place is kept').waitFor();
  await at(second, 'waiting', 'desktop-2-offline');
  await second.context().setOffline(false);
  await second.getByText('Your place is kept').waitFor({ state: 'hidden' });
  await press(first, 'Give it back');
  await press(first, 'Leave without buying');
  await at(first, 'none', 'desktop-1-left');
  await at(second, 'called', 'desktop-3-called');
});

test('the page says when everything is sold', async (t) => {
  await server.openSale('gone', { items: [{ ...item, stock: 1 }] });
  const page = await open(t, 'gone', 'phone');
  await press(page, 'Join the line');
  await press(page, 'Start buying');
  await page.getByLabel('Your e-mail address').fill('ada@example.com');
  await press(page, 'Reserve one pair');
  const late = await open(t, 'gone', 'phone');
  await press(late, 'Join the line');
  await at(late, 'waiting', 'phone-7-held-out');
  await press(page, 'Place the order');
  await at(late, 'sold_out', 'phone-8-sold-out');
});
