// Schedules a sale in the console for two minutes later and watches it open, start, sell and end
// with nobody touching it, in headless Chromium. Takes the pictures of docs/images on the way.
//
//   npm install playwright-core        (anywhere above this file, or NODE_PATH)
//   FRONT=http://127.0.0.1:8080 CONSOLE=http://127.0.0.1:8081 PENSTOCK_ADMIN_KEY=… node scripts/walk-scheduled-sale.mjs docs/images
//
// Exits 0 only if everything happened at its time.
import { createRequire } from 'node:module';
const { chromium } = createRequire(process.cwd() + '/')('playwright-core');

const { FRONT, CONSOLE, PENSTOCK_ADMIN_KEY: KEY, CHROMIUM = '/usr/bin/chromium' } = process.env;
const images = process.argv[2] ?? '.';
const id = 'walk-' + Date.now().toString(36);
const minute = 60_000;
const at = (base, minutes) => new Date(Math.ceil(base / minute) * minute + minutes * minute);
const local = (date) => date.toISOString().slice(0, 16);
const opens = at(Date.now(), 0), starts = at(Date.now(), 1), ends = at(Date.now(), 3);
const say = (text) => console.log(new Date().toISOString().slice(11, 23), text);
const fail = (text) => { say('FAILED: ' + text); process.exitCode = 1; };

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
const operator = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
const visitor = await (await browser.newContext({ viewport: { width: 390, height: 844 } })).newPage();
const shot = (page, name, fullPage = false) => page.screenshot({ path: `${images}/${name}.png`, fullPage });

const phase = async () => (await (await fetch(`${FRONT}/v1/sales/${id}`)).json()).phase;
async function awaitPhase(want, when) {
  for (;;) {
    const now = await phase();
    if (now === want) break;
    if (Date.now() > when.getTime() + 2000) return fail(`at ${want} time the phase is ${now}`);
    await new Promise((r) => setTimeout(r, 50));
  }
  const late = Date.now() - when.getTime();
  say(`${want}: ${late} ms after its time`);
  if (late > 1000 || late < -100) fail(`${want} came ${late} ms after its time`);
}

// Marketing schedules the sale.
await operator.goto(`${CONSOLE}/sign-in`);
await operator.fill('input[name=key]', KEY);
await operator.press('input[name=key]', 'Enter');
await operator.waitForURL('**/sales');
await operator.goto(`${CONSOLE}/new-sale`);
await operator.selectOption('select[name=zone]', '');
const fields = { name: 'The Thursday drop', id, opens_at: local(opens), starts_at: local(starts), ends_at: local(ends), 'admission.rate_per_minute': '600', 'admission.max_active': '50' };
for (const [name, value] of Object.entries(fields)) await operator.fill(`[name="${name}"]`, value);
await operator.selectOption('select[name="admission.order"]', 'draw');
const item = { sku: 'SNKR-42', item_name: 'Sneaker, size 42', stock: '25', limit: '1', price: '129.00' };
for (const [name, value] of Object.entries(item)) await operator.fill(`[name="${name}"] >> nth=0`, value);
await shot(operator, 'console-schedule', true);
await operator.click('button.primary[value=schedule]');
await operator.waitForURL((url) => url.pathname === `/sales/${id}`);
say(`scheduled ${id}: opens ${opens.toISOString()}, starts ${starts.toISOString()}, ends ${ends.toISOString()}`);

await awaitPhase('prequeue', opens);
await visitor.goto(`${FRONT}/sales/${id}`);
await shot(visitor, 'room-early');
const others = [];
for (let i = 0; i < 12; i++) others.push((await (await fetch(`${FRONT}/v1/sales/${id}/tickets`, { method: 'POST' })).json()).ticket);

await awaitPhase('live', starts);
await visitor.waitForURL((url) => !url.pathname.startsWith('/sales/'), { timeout: 30_000 }).catch(() => {});
const buy = async (pass, customer, key) => {
  const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': key, ...(pass && { 'Penstock-Pass': pass }) };
  const post = (path, body) => fetch(`${FRONT}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  const held = await (await post(`/v1/sales/${id}/reservations`, { customer, items: [{ sku: 'SNKR-42', quantity: 1 }] })).json();
  return (await post('/v1/orders', { reservation: held.id, customer: { email: customer } })).status;
};
let sold = 0;
for (const [i, ticket] of others.entries()) {
  for (let attempt = 0; attempt < 60; attempt++) {
    const claimed = await fetch(`${FRONT}/v1/sales/${id}/passes`, { method: 'POST', headers: { 'Penstock-Ticket': ticket } });
    if (claimed.status === 201) {
      if (await buy((await claimed.json()).pass, `buyer-${i}@example.com`, `k-${i}`) === 202) sold++;
      break;
    }
    await new Promise((r) => setTimeout(r, 500));
  }
}
say(`${sold} of ${others.length} bought`);
if (sold !== others.length) fail('not everybody who was there could buy');
await new Promise((r) => setTimeout(r, 2500));
await shot(operator, 'console-live', true);

await awaitPhase('ended', ends);
await operator.reload();
await shot(operator, 'console-ended', true);
const late = await (await browser.newContext({ viewport: { width: 390, height: 844 } })).newPage();
await late.goto(`${FRONT}/sales/${id}`);
await shot(late, 'room-ended');
await browser.close();
say(process.exitCode ? 'something was wrong' : 'everything happened at its time');
