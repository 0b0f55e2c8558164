// The shop's own file, behind a running Penstock with the shipped sites file and before a shop that completes carts.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { eventually, startPenstock } from '../../../connectors/browser/test/support/penstock.mjs';
import { loadFile, startShop } from './support/shop.mjs';

const sale = 'sneaker-drop', sku = 'SNKR-42', units = 5;
const ordered = (id) => [200, { type: 'order', order: { id: 'order_' + id } }];
const refused = [400, { type: 'not_allowed', message: 'Not enough stock available' }];
const broken = [500, { type: 'unknown_error' }];

let shop, penstock, file, directory, latePass, carts = 0;

before(async () => {
  shop = await startShop();
  directory = await mkdtemp(join(tmpdir(), 'penstock-medusa-'));
  const shipped = await readFile(new URL('../sites.yaml', import.meta.url), 'utf8');
  assert.match(shipped, /http:\/\/127\.0\.0\.1:9000/);
  await writeFile(join(directory, 'sites.yaml'), shipped.replace('http://127.0.0.1:9000', shop.url));
  penstock = await startPenstock([], { PENSTOCK_SITES: join(directory, 'sites.yaml') });
  const { key } = await penstock.admin('POST', '/keys', { name: 'Medusa', role: 'shop' });
  await penstock.openSale(sale, {
    items: [{ sku, name: 'Sneaker', stock: units, per_customer: 1, price: { amount: 12900, currency: 'EUR' } }],
  });
  file = await loadFile({ PENSTOCK_API_URL: penstock.front, PENSTOCK_KEY: key, PENSTOCK_SKUS: sku });
  shop.middleware = file.holdUnits;
  latePass = await admitted(); // once all units are sold nobody gets one
});

after(async () => {
  shop?.stop();
  await penstock?.stop();
  if (directory) await rm(directory, { recursive: true });
});

beforeEach(() => { shop.complete = ordered; shop.completed = []; shop.errors = []; });

/** A cart of the sale's article, or of another one. */
function newCart(article = sku) {
  const id = `cart_${++carts}`;
  shop.carts.set(id, { id, email: `visitor-${carts}@example.com`, items: [{ variant_sku: article, quantity: 1 }] });
  return id;
}

async function json(answer) {
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : {} };
}

async function admitted() {
  const path = `${penstock.front}/v1/sales/${sale}`;
  const { body: { ticket } } = await json(await fetch(path + '/tickets', { method: 'POST' }));
  let pass;
  await eventually('a pass', async () => {
    ({ body: { pass } } = await json(await fetch(path + '/passes', { method: 'POST', headers: { 'Penstock-Ticket': ticket } })));
    return pass;
  });
  return pass;
}

const complete = async (cart, pass, origin = penstock.front) =>
  json(await fetch(`${origin}/store/carts/${cart}/complete`, { method: 'POST', headers: pass && { 'Penstock-Pass': pass } }));

const stock = async () => {
  const { items: [{ available, held, sold }] } = await penstock.admin('GET', `/sales/${sale}/stats`);
  return { available, held, sold };
};

test('without a pass nobody completes a cart, and past the proxy nobody buys what the sale sells', async () => {
  const cart = newCart();
  assert.equal((await complete(cart)).status, 401);
  assert.equal((await complete(cart, undefined, shop.url)).status, 403);
  assert.deepEqual(shop.completed, []);
  assert.equal((await complete(newCart('SOCKS'), undefined, shop.url)).status, 200);
});

test('a cart that is completed is an order in Penstock, once', async () => {
  const cart = newCart(), pass = await admitted();
  const answer = await complete(cart, pass);
  assert.deepEqual([answer.status, answer.body.type], [200, 'order']);
  await eventually('the order is in the ledger', async () => (await penstock.orders(sale)).length === 1);
  assert.deepEqual(await stock(), { available: units - 1, held: 0, sold: 1 });
  assert.deepEqual(shop.errors, []);
});

test('two clicks at once sell one unit', async () => {
  const cart = newCart(), pass = await admitted(), before = await stock();
  const answers = await Promise.all([complete(cart, pass), complete(cart, pass)]);
  assert.ok(answers.some(({ body }) => body.type === 'order'), JSON.stringify(answers));
  assert.deepEqual(await stock(), { ...before, available: before.available - 1, sold: before.sold + 1 });
});

test('a cart that the shop refuses gives its unit back, and can be completed later', async () => {
  const cart = newCart(), pass = await admitted(), before = await stock();
  shop.complete = () => refused;
  assert.equal((await complete(cart, pass)).status, 400);
  assert.deepEqual(await stock(), before);
  shop.complete = ordered;
  assert.equal((await complete(cart, pass)).status, 200);
  assert.deepEqual(shop.errors, []);
  assert.deepEqual(await stock(), { ...before, available: before.available - 1, sold: before.sold + 1 });
});

test('while it is not known what became of a cart its unit stays held, and a repetition takes no second one', async () => {
  const cart = newCart(), pass = await admitted(), before = await stock();
  shop.complete = () => broken;
  assert.equal((await complete(cart, pass)).status, 500);
  assert.deepEqual(await stock(), { ...before, available: before.available - 1, held: 1 });
  shop.complete = ordered;
  assert.equal((await complete(cart, pass)).status, 200);
  assert.deepEqual(await stock(), { ...before, available: before.available - 1, sold: before.sold + 1 });
});

test('when the sale has sold all its units the shop is not asked any more', async () => {
  const { available } = await stock();
  await penstock.admin('PATCH', `/sales/${sale}/items/${sku}/stock`, { change_by: -available });
  assert.equal((await stock()).available, 0);
  const answer = await complete(newCart(), latePass);
  assert.deepEqual([answer.status, answer.body.type, shop.completed], [409, 'sold_out', []]);
});

test('what a cart has of the sale is counted by article', () => {
  const cart = { items: [{ variant_sku: sku, quantity: 1 }, { variant_sku: 'SOCKS', quantity: 3 }, { variant_sku: sku, quantity: 2 }] };
  assert.deepEqual(file.unitsOf(cart, new Set([sku])), [{ sku, quantity: 3 }]);
  assert.deepEqual(file.unitsOf(undefined, new Set([sku])), []);
});

test('while Penstock does not answer nothing is sold', async () => {
  const blind = await loadFile({ PENSTOCK_API_URL: 'http://127.0.0.1:1', PENSTOCK_SKUS: sku });
  shop.middleware = blind.holdUnits;
  const cart = newCart();
  const answer = await json(await fetch(`${shop.url}/store/carts/${cart}/complete`, { method: 'POST', headers: { 'Penstock-Sale': sale } }));
  shop.middleware = file.holdUnits;
  assert.deepEqual([answer.status, shop.completed], [503, []]);
});

test('without its settings the file adds nothing to the shop', async () => {
  assert.equal(file.default.routes.length, 1);
  assert.deepEqual((await loadFile({ PENSTOCK_API_URL: '' })).default.routes, []);
});
