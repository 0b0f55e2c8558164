// What is committed is what the sources make.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const kept = { 'client.js': '../../internal/front/static/client.js', 'client.mjs': '../../internal/front/static/client.mjs', 'proof.mjs': '../../internal/front/static/proof.mjs', 'openapi.d.ts': 'openapi.d.ts' };

test('the built files and the generated types are current', (t) => {
  const built = mkdtempSync(join(tmpdir(), 'penstock-built-'));
  t.after(() => rmSync(built, { recursive: true }));
  execFileSync(process.execPath, [join(root, 'build.mjs'), built]);
  for (const [name, path] of Object.entries(kept)) {
    assert.ok(readFileSync(join(built, name)).equals(readFileSync(join(root, path))), `${path} is not current: run npm run build in connectors/browser`);
  }
});

test('each built file has 5,000 bytes at most, not compressed, and the README says how many', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  for (const name of ['client.js', 'client.mjs', 'proof.mjs']) {
    const { size } = statSync(join(root, kept[name]));
    assert.ok(size <= 5000, `${name} has ${size} bytes`);
    const row = readme.split('\n').find((line) => line.startsWith(`| \`/sales/static/${name}\``));
    assert.ok(row.includes(`| ${size.toLocaleString('en')} |`), `the README says of ${name}: ${row}; it has ${size} bytes`);
  }
});

test('the sources fit the types', () => {
  execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', root], { stdio: 'inherit' });
});
