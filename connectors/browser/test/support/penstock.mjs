// A penstock server of its own for a test file: everything embedded, on free ports, with a directory of its own.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const binary = process.env.PENSTOCK_TEST_BINARY ?? fileURLToPath(new URL('../../../../bin/penstock', import.meta.url));
const adminKey = 'the-admin-key-of-the-tests-0123456789';

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** Asks until answer is true, for 30 s at most. */
export async function eventually(what, answer, limitMs = 30_000) {
  for (const end = Date.now() + limitMs; Date.now() < end;) {
    if (await answer()) return;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error('not in time: ' + what);
}

/** Starts a server. allowedOrigins are those whose pages may call it; settings are more of its settings, or make them of the address of the front. */
export async function startPenstock(allowedOrigins = [], settings = {}) {
  const [frontPort, consolePort] = [await freePort(), await freePort()];
  const directory = await mkdtemp(join(tmpdir(), 'penstock-browser-'));
  const front = `http://127.0.0.1:${frontPort}`, console = `http://127.0.0.1:${consolePort}`;
  let log = '';
  const child = spawn(binary, ['serve'], {
    env: {
      ...process.env, PENSTOCK_LISTEN: `127.0.0.1:${frontPort}`, PENSTOCK_CONSOLE_LISTEN: `127.0.0.1:${consolePort}`,
      PENSTOCK_DATA_DIR: directory, PENSTOCK_ADMIN_KEY: adminKey, PENSTOCK_ALLOWED_ORIGINS: allowedOrigins.join(','),
      ...(typeof settings === 'function' ? settings(front) : settings),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const end = () => child.kill('SIGKILL');
  process.once('exit', end);
  for (const output of [child.stdout, child.stderr]) output.on('data', (text) => { log = (log + text).slice(-20_000); });
  const answers = async (url) => { try { return (await fetch(url)).ok; } catch { return false; } };
  await eventually('the server is ready', () => {
    if (child.exitCode !== null) throw new Error('the server ended: ' + log);
    return answers(front + '/readyz');
  });
  const admin = async (method, path, body) => {
    const answer = await fetch(console + '/admin/v1' + path, {
      method, headers: { Authorization: 'Bearer ' + adminKey, 'Content-Type': 'application/json' }, body: body && JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  return {
    front,
    admin,
    log: () => log,
    /** Opens a sale that is live now, changed by the members given. */
    async openSale(id, members = {}) {
      const now = Date.now();
      await admin('POST', '/sales', {
        id, name: id, starts_at: new Date(now - 1000), ends_at: new Date(now + 3_600_000),
        admission: { rate_per_minute: 60_000, max_active: 1000 },
        items: [{ sku: 'A', name: 'The item', stock: 10, price: { amount: 4900, currency: 'EUR' } }], ...members,
      });
      await eventually('the front knows ' + id, () => answers(`${front}/v1/sales/${id}`));
    },
    async orders(id) { return (await admin('GET', `/sales/${id}/orders`)).orders; },
    async stop() {
      const ended = new Promise((done) => child.once('exit', done));
      end();
      process.removeListener('exit', end);
      await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
}
