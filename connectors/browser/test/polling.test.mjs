// How the client polls and waits, on a page whose time stands still unless a test says so.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { broken, openPage, problem, ticket } from './support/page.mjs';

test('the next poll comes when the last answer said, and not sooner', async () => {
  const page = openPage((_, n) => ticket('waiting', { poll_after_ms: 1000 * n }));
  page.connect().join();
  await page.pass(9_999);
  assert.deepEqual(page.times(), [0, 1000, 3000, 6000]);
  await page.pass(1);
  assert.equal(page.requests.length, 5);
});

test('a change of the state is told once, and every answer as well', async () => {
  const page = openPage((_, n) => ticket(n < 3 ? 'waiting' : 'called', { claim_before: '2026-12-01T10:02:00Z' }));
  page.connect().join();
  await page.pass(7_000);
  assert.deepEqual(page.of('state').map(({ detail: { state, before } }) => [before, state]), [['none', 'waiting'], ['waiting', 'called']]);
  assert.equal(page.of('ticket').length, 4);
});

test('nothing is asked while the page is hidden, and what fell due is asked at once when it is shown', async () => {
  const page = openPage(() => ticket('waiting'));
  page.connect().join();
  await page.pass(2_500);
  assert.deepEqual(page.times(), [0, 2000]);
  await page.show(false);
  await page.pass(600_000);
  assert.deepEqual(page.times(), [0, 2000]);
  await page.show(true);
  assert.deepEqual(page.times(), [0, 2000, 602_500]);
  await page.pass(2_000);
  assert.equal(page.times().at(-1), 604_500);
});

test('a page that is shown before the poll is due does not poll sooner', async () => {
  const page = openPage(() => ticket('waiting'));
  page.connect().join();
  await page.pass(500);
  for (let i = 0; i < 5; i++) { await page.show(false); await page.show(true); }
  assert.deepEqual(page.times(), [0]);
  await page.pass(1_500);
  assert.deepEqual(page.times(), [0, 2000]);
});

test('a hidden page polls where the shop asked for it', async () => {
  const page = openPage(() => ticket('waiting'));
  page.connect({ pollWhileHidden: true }).join();
  await page.show(false);
  await page.pass(4_000);
  assert.deepEqual(page.times(), [0, 2000, 4000]);
});

test('polling stops with stop, and at the end of the sale', async () => {
  const stopped = openPage(() => ticket('waiting'));
  const client = stopped.connect();
  client.join();
  await stopped.pass(1_000);
  client.stop();
  await stopped.pass(60_000);
  assert.deepEqual(stopped.times(), [0]);

  const ended = openPage((_, n) => ticket(n < 3 ? 'waiting' : 'ended'));
  ended.connect().join();
  await ended.pass(600_000);
  assert.deepEqual(ended.times(), [0, 2000, 4000]);
});

test('an answer that comes after stop changes nothing', async () => {
  let answer;
  const page = openPage((_, n) => (n === 1 ? ticket('waiting') : new Promise((done) => { answer = done; })));
  const client = page.connect();
  client.join();
  await page.pass(2_000);
  client.stop();
  answer(ticket('called'));
  await page.pass(60_000);
  assert.deepEqual(page.of('state').map(({ detail }) => detail.state), ['waiting']);
  assert.equal(page.requests.length, 2);
});

for (const [name, bad] of [
  ['no network', broken], ['503', () => problem(503, 'unavailable')], ['a page of a proxy', () => ({ status: 502, text: '<html>' })],
  ['a 404 of a proxy', () => ({ status: 404, text: '<html>' })], ['a login page of the network', () => ({ status: 200, text: '<html>' })],
]) {
  test(`polls go on after ${name}, at growing distances of 30 s at most, and the state stays`, async () => {
    const page = openPage((_, n) => (n === 1 || n > 9 ? ticket('waiting') : bad()));
    page.random = 0;
    page.connect().join();
    await page.pass(300_000);
    const gaps = page.times().slice(2, 10).map((at, i) => at - page.times()[i + 1]);
    assert.deepEqual(gaps, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    assert.equal(page.of('problem').length, 8);
    assert.ok(page.requests.length > 12);
    assert.deepEqual(page.of('state').map(({ detail }) => detail.state), ['waiting']);
  });
}

test('the distances vary by half, and never fall below Retry-After', async () => {
  for (const [random, headers, wait] of [[0.999, {}, 500.5], [0.999, { 'Retry-After': '7' }, 8748.25], [0, { 'Retry-After': '7' }, 7000]]) {
    const page = openPage((_, n) => (n === 2 ? problem(503, 'unavailable', { headers }) : ticket('waiting')));
    page.random = random;
    page.connect().join();
    await page.pass(2_000 + wait - 1);
    assert.equal(page.requests.length, 2);
    await page.pass(1);
    assert.equal(page.requests.length, 3, `after ${wait} ms`);
  }
});

test('a ticket that is refused is forgotten, and polling ends', async () => {
  for (const [status, code] of [[403, 'ticket_invalid'], [404, 'unknown_sale']]) {
    const storage = {};
    const page = openPage((_, n) => (n < 3 ? ticket('waiting') : problem(status, code)), { storage });
    page.connect().join();
    await page.pass(600_000);
    assert.equal(page.requests.length, 3);
    assert.equal(page.of('state').at(-1).detail.state, 'none');
    assert.doesNotMatch(JSON.stringify(storage), /T1/);
  }
});

test('a called visitor claims again while admission is full for a moment', async () => {
  const page = openPage(({ path }, n) => {
    if (!path.endsWith('/passes')) return ticket('called');
    return n < 6 ? problem(409, 'not_called', { poll_after_ms: 500 }) : { status: 201, doc: { pass: 'P1', expires_at: '2026-12-01T10:10:00Z' } };
  });
  const client = page.connect();
  client.join();
  await page.pass(100);
  const { value } = await page.outcome(client.claim());
  assert.equal(value.pass, 'P1');
});

test('a call gives up when the next try would come after its time-out', async () => {
  const page = openPage(() => problem(429, 'too_many_releases', { headers: { 'Retry-After': '600' } }));
  const { error, at } = await page.outcome(page.connect().reserve({ customer: 'ada', items: [{ sku: 'A', quantity: 1 }] }));
  assert.equal(error.code, 'too_many_releases');
  assert.equal(error.retryAfterMs, 600_000);
  assert.ok(at <= 250);
  const offline = openPage(broken);
  const lost = await offline.outcome(offline.connect({ timeoutMs: 10_000 }).join());
  assert.equal(lost.error.code, 'no_answer');
  assert.equal(lost.error.status, 0);
  assert.deepEqual(offline.times(), [0, 1000, 3000, 7000]);
});

test('a wrong clock of the visitor does not change a countdown', async () => {
  const page = openPage(() => ({ ...ticket('called'), headers: { Date: 'Tue, 01 Dec 2026 09:00:00 GMT' } })); // one hour behind
  const client = page.connect();
  client.join();
  await page.pass(0);
  assert.equal(client.msUntil('2026-12-01T09:02:00Z'), 118_000); // the Date of an answer is up to two seconds behind
});
