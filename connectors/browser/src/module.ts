// client.mjs: the same as an ES module.
import { connectTo } from './connect';
import type { Options } from '../client';
export { PenstockError } from './problem';

// The file lies at /sales/static/ below the front's address.
export const connect = (options: Options) => connectTo(options.front ?? new URL('../..', import.meta.url).href, options);
