// Asking to be told of one's turn, in headless Chromium.
//
// Chromium subscribes at a push service of its maker, which a test cannot reach. So PushManager is the test's own: it makes
// subscriptions as a browser does, for an endpoint that the server knows. Permission, worker, page and server are real.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { chromiumOptions } from './support/chromium.mjs';
import { eventually, startPenstock } from './support/penstock.mjs';
import { openQueue, telling, tellingSettings } from './support/room.mjs';

let server, browser;
before(async () => {
  server = await startPenstock([], tellingSettings);
  browser = await chromium.launch(chromiumOptions);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Replaces what needs a push service. The key pair and the key of the server are real. */
function fakePush(fails) {
  let kept = null;
  PushManager.prototype.getSubscription = async () => kept;
  PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey }) => {
    if (fails || !userVisibleOnly) throw new DOMException('Registration failed', 'AbortError');
    const pair = await crypto.subtle.generateKey({ name: 'ECDH', namedCurve: 'P-256' }, true, ['deriveBits']);
    const encode = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
    const keys = { p256dh: encode(await crypto.subtle.exportKey('raw', pair.publicKey)), auth: encode(crypto.getRandomValues(new Uint8Array(16))) };
    const key = Uint8Array.from(atob(applicationServerKey.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0)).buffer;
    kept = {
      options: { applicationServerKey: key }, unsubscribe: async () => { kept = null; },
      toJSON: () => ({ endpoint: 'https://push.halden.example/s/1', expirationTime: null, keys }),
    };
    return kept;
  };
}

const wishes = async (sale) => (await server.admin('GET', `/sales/${sale}/notifications`)).waiting;

async function openQueuePage(sale, { permissions = [], pushFails = false, ...options } = {}) {
  const context = await browser.newContext(options);
  await context.grantPermissions(permissions, { origin: server.front });
  await context.addInitScript(fakePush, pushFails);
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (message) => { if (message.type() === 'error') faults.push(message.text()); });
  await page.goto(`${server.front}/sales/${sale}`);
  return { context, page, faults };
}

test('a visitor who allows notifications is told by the browser, and can take it back', async () => {
  await openQueue(server, 'push', { notify: telling });
  const { context, page, faults } = await openQueuePage('push', { permissions: ['notifications'] });
  const asked = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await page.reload();
  await page.waitForLoadState('networkidle');
  assert.ok(!asked.some((path) => path.includes('notify')), 'the waiting room loads nothing for it: ' + asked);
  await page.getByRole('link', { name: 'Tell me when it is my turn' }).click();
  const button = page.getByRole('button', { name: 'Notify me in this browser' });
  await button.focus();
  await page.keyboard.press('Enter');
  const state = page.locator('#push-state');
  await state.getByText('On: this browser notifies you.').waitFor();
  assert.equal((await wishes('push')).push, 1);
  assert.ok(await button.isHidden());
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Do not tell me');
  await page.reload();
  assert.match(await state.textContent(), /^On:/);
  await page.getByRole('link', { name: 'Back to the waiting room' }).click();
  await page.getByRole('link', { name: 'You will be told of your turn' }).click();
  await page.getByRole('button', { name: 'Do not tell me' }).click();
  await page.getByText('Off: nobody tells you of your turn.').waitFor();
  assert.equal((await wishes('push')).push, 0);
  assert.ok(await button.isVisible());
  assert.deepEqual(faults, []);
  await context.close();
});

test('the worker shows the notification in the words of the visitor', async () => {
  await openQueue(server, 'worker', { notify: telling });
  const { context, page } = await openQueuePage('worker', { permissions: ['notifications'] });
  await page.goto(`${server.front}/sales/worker?penstock_notify=1`);
  const protocol = await context.newCDPSession(page);
  const registered = new Promise((done) => protocol.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => registrations[0] && done(registrations[0])));
  await protocol.send('ServiceWorker.enable');
  await page.getByRole('button', { name: 'Notify me in this browser' }).click();
  await page.getByText('On: this browser notifies you.').waitFor();
  const { registrationId, scopeURL } = await registered;
  assert.equal(scopeURL, server.front + '/sales/static/');
  const data = { type: 'visitor.called', sale: 'worker', name: 'Spring drop', title: 'Sie sind an der Reihe', body: 'Öffnen Sie dies vor {time}.', language: 'de', url: '/sales/worker', tag: 't1', claim_before: '2026-12-01T10:00:00Z' };
  // A message that comes before the worker is ready is lost; one with the same tag takes the place of the last.
  const deliver = () => protocol.send('ServiceWorker.deliverPushMessage', { origin: server.front, registrationId, data: JSON.stringify(data) });
  const shown = () => page.evaluate(async () => {
    const worker = await navigator.serviceWorker.getRegistration('/sales/static/');
    return (await worker.getNotifications()).map(({ title, body, tag, lang, data: url }) => ({ title, body, tag, lang, url }));
  });
  await eventually('the notification is there', async () => {
    await deliver();
    return (await shown()).length === 1;
  });
  const [{ title, body, tag, lang, url }] = await shown();
  assert.deepEqual({ title, tag, lang, url }, { title: data.title, tag: 't1', lang: 'de', url: '/sales/worker' });
  assert.match(body, /^Spring drop\nÖffnen Sie dies vor \d\d:\d\d:\d\d\.$/);
  await context.close();
});

test('a browser that refuses, or cannot, says so and nothing is kept', async () => {
  await openQueue(server, 'refused', { notify: telling });
  const refusing = await openQueuePage('refused');
  await refusing.page.goto(`${server.front}/sales/refused?penstock_notify=1`);
  await refusing.page.getByText('Your browser allows no notifications of this site.').waitFor();
  assert.ok(await refusing.page.getByRole('button', { name: 'Notify me in this browser' }).isHidden());
  await refusing.context.close();
  const offline = await openQueuePage('refused', { permissions: ['notifications'], pushFails: true });
  await offline.page.goto(`${server.front}/sales/refused?penstock_notify=1`);
  await offline.page.getByRole('button', { name: 'Notify me in this browser' }).click();
  await offline.page.getByText('This did not work. Please try again in a moment.').waitFor();
  assert.ok(await offline.page.getByRole('button', { name: 'Notify me in this browser' }).isEnabled());
  assert.deepEqual(await wishes('refused'), { push: 0, email: 0 });
  await offline.context.close();
});

test('the form for an e-mail works without JavaScript', async () => {
  await openQueue(server, 'mail', { notify: telling });
  const { context, page } = await openQueuePage('mail', { javaScriptEnabled: false });
  await page.getByRole('link', { name: 'Tell me when it is my turn' }).click();
  assert.match(await page.content(), /A notification of the browser needs JavaScript/);
  await page.getByLabel('E-mail address').fill('ada@example.com');
  await page.getByRole('button', { name: 'Send me an e-mail' }).click();
  await page.getByText('On: the shop sends you an e-mail.').waitFor();
  assert.equal((await wishes('mail')).email, 1);
  await page.getByRole('button', { name: 'Do not tell me' }).click();
  await page.getByText('Off: nobody tells you of your turn.').waitFor();
  assert.deepEqual(await wishes('mail'), { push: 0, email: 0 });
  await context.close();
});
