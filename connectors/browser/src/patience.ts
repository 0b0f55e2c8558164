import { type PenstockError, mayPass, pauseMs } from './problem';

/**
 * Tries until it succeeds, and rejects with the last failure when that cannot pass, or when the next try would come
 * after the time-out. told hears of each failure after which it is tried again. alsoPasses reports whether a failure
 * that mayPass does not know may pass too.
 */
export async function patiently<T>(
  attempt: () => Promise<T>, timeoutMs: number, told: (e: PenstockError) => unknown, alsoPasses?: (e: PenstockError) => boolean,
): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  for (let failures = 0; ;) {
    try {
      return await attempt();
    } catch (thrown) {
      const e = thrown as PenstockError;
      const wait = pauseMs(e, failures);
      if (mayPass(e)) failures++;
      else if (!alsoPasses?.(e)) throw e;
      if (performance.now() + wait > endMs) throw e;
      told(e);
      await new Promise((done) => setTimeout(done, wait));
    }
  }
}
