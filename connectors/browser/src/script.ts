// client.js: a script that makes the global Penstock.
import { connectTo } from './connect';
import { PenstockError } from './problem';
import type { Options } from '../client';

declare global {
  var Penstock: { connect: typeof connect; PenstockError: typeof PenstockError };
}

// The file lies at /sales/static/ below the front's address.
const source = (document.currentScript as HTMLScriptElement | null)?.src;
const connect = (options: Options) => connectTo(options.front ?? new URL('../..', source).href, options);
globalThis.Penstock = { connect, PenstockError };
