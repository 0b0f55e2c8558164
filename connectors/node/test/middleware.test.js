import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as send } from 'node:http';
import { after, test } from 'node:test';
import express from 'express';
import { penstock } from '../src/index.js';

const quiet = () => {};
const nobody = 'http://127.0.0.1:1'; // nobody answers there

// ask starts a server, sends it one request, and returns the answer. Not with fetch, which says of itself
// that it is a script.
async function ask(handler, path, init = {}) {
  const server = createServer(handler).listen(0, '127.0.0.1');
  after(() => server.close());
  await once(server, 'listening');
  const asked = send({ host: '127.0.0.1', port: server.address().port, path, agent: false, ...init }).end();
  const [response] = await once(asked, 'response');
  response.resume();
  return { status: response.statusCode, headers: new Headers(response.headers) };
}

const shop = (gate) => (request, response) => gate(request, response, (error) => response.writeHead(error ? 500 : 200).end());

test('options that cannot be right are refused', () => {
  const fine = { sale: 'drop', roomUrl: 'https://queue.example' };
  for (const change of [
    { sale: undefined }, { sale: '../x' }, { roomUrl: undefined }, { roomUrl: 'https:///sales' }, { roomUrl: 'javascript:alert(1)' },
    { shopUrl: 'https://shop.example/?x' }, { apiUrl: 'http://a:b@queue.example' }, { shopUrl: 'shop.example' }, { cookieName: 'a b' },
  ]) assert.throws(() => penstock({ ...fine, ...change }), TypeError, JSON.stringify(change));
  penstock(fine);
});

test('the way back leads to this shop alone', async () => {
  const gate = penstock({ sale: 'drop', roomUrl: nobody, shopUrl: 'https://shop.example/' });
  for (const [path, want] of Object.entries({
    '/a%2Fb?x=1&penstock_code=c&y': 'https://shop.example/a%2Fb?x=1&y',
    '//evil.example/?penstock_pass=p': 'https://shop.example//evil.example/',
    '/?penstock%5Fcode=': 'https://shop.example/',
  })) {
    const got = await ask(shop(gate), path, { method: 'HEAD' });
    assert.equal(got.status, 303);
    assert.equal(new URL(got.headers.get('Location')).searchParams.get('return'), want);
  }
});

test('behind a proxy that ends TLS the way back is https', async () => {
  const gate = penstock({ sale: 'drop', roomUrl: nobody });
  const got = await ask(shop(gate), '/', { headers: { 'X-Forwarded-Proto': 'https, http' } });
  assert.match(new URL(got.headers.get('Location')).searchParams.get('return'), /^https:\/\/127\.0\.0\.1:\d+\/$/);
});

test('in Express, mounted below a path, the whole address is kept', async () => {
  const app = express();
  app.use('/checkout', penstock({ sale: 'drop', roomUrl: nobody, shopUrl: 'https://shop.example' }));
  const got = await ask(app, '/checkout/pay?step=2');
  assert.equal(new URL(got.headers.get('Location')).searchParams.get('return'), 'https://shop.example/checkout/pay?step=2');
  assert.equal((await ask(app, '/elsewhere')).status, 404);
});

test('nothing is decided while Penstock is away', async () => {
  const told = [];
  const gate = penstock({ sale: 'drop', roomUrl: nobody, warn: (message) => told.push(message) });
  const unknown = `${Buffer.from('{"alg":"EdDSA","kid":"a"}').toString('base64url')}.e30.AAAA`;
  for (const [path, headers] of [['/?penstock_code=secret-code', {}], ['/', { Cookie: `penstock_pass_drop=${unknown}` }]]) {
    const got = await ask(shop(gate), path, { headers });
    assert.equal(got.status, 503);
    assert.ok(got.headers.get('Retry-After'));
    assert.equal(got.headers.get('Referrer-Policy'), 'no-referrer');
  }
  assert.equal(told.length, 2);
  assert.ok(!told.join().includes('secret-code') && !told.join().includes(unknown));
});

test('an answer of another server is no answer', async () => {
  const other = createServer((_, response) => response.end('x'.repeat(1 << 20))).listen(0, '127.0.0.1');
  after(() => other.close());
  await once(other, 'listening');
  const gate = penstock({ sale: 'drop', roomUrl: `http://127.0.0.1:${other.address().port}`, warn: quiet });
  assert.equal((await ask(shop(gate), '/?penstock_code=abc')).status, 503);
});
