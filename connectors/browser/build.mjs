// Builds the client and its types. `node build.mjs` writes them to where they are kept in the repository;
// `node build.mjs DIR` writes them to DIR, for the test that compares.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const elsewhere = process.argv[2];
const staticFiles = elsewhere ?? join(here, '../../internal/front/static');
const typesFile = join(elsewhere ?? here, 'openapi.d.ts');

// Members that never leave the client. The files are smaller when these have short names.
const inside = /^(known|keep|inHeaders|cookiesArrive|showTicket|about|forAll|follow)$/;
const common = { mangleProps: inside, tsconfigRaw: '{"compilerOptions":{"useDefineForClassFields":false}}', bundle: true, minify: true, target: 'es2020', charset: 'utf8', legalComments: 'none', logLevel: 'warning', absWorkingDir: here };
await build({ ...common, entryPoints: ['src/script.ts'], format: 'iife', outfile: join(staticFiles, 'client.js') });
await build({ ...common, entryPoints: ['src/proof.ts'], format: 'esm', outfile: join(staticFiles, 'proof.mjs') });
await build({ ...common, entryPoints: ['src/module.ts'], format: 'esm', outfile: join(staticFiles, 'client.mjs') });

const generator = join(here, 'node_modules/openapi-typescript/bin/cli.js');
if (!existsSync(generator)) throw new Error('run npm ci in connectors/browser first');
execFileSync(process.execPath, [generator, join(here, '../../internal/front/openapi.yaml'), '-o', typesFile], { stdio: ['ignore', 'ignore', 'inherit'] });
