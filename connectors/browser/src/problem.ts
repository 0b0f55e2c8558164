import type { Code, PenstockError as Declared } from '../client';

/** Why a call failed. Without a problem document no answer of Penstock came, whatever the status. */
export class PenstockError extends Error implements Declared {
  readonly code: Code;
  constructor(readonly status: number, readonly retryAfterMs: number, readonly problem: Declared['problem']) {
    super((problem.title ?? 'no answer') + (problem.detail ? ': ' + problem.detail : ''));
    this.code = problem.code ?? 'no_answer';
  }
}

/** Reports whether the same request may succeed later. */
export const mayPass = (e: PenstockError) => e.status > 499 || e.status === 429 || /no_answer|in_flight/.test(e.code);

/** Reports whether what was asked for, or the credential for it, does not exist any more. */
export const isGone = (e: PenstockError) => !mayPass(e) && /40[134]|410/.test(e.status as never);

/**
 * How long to wait after so many failures in a row, in milliseconds. It varies, so that a crowd does not come back
 * at the same moment; never sooner than the server asked for.
 */
export function pauseMs(e: PenstockError, failures: number): number {
  const firstPauseMs = 1_000, longestPauseMs = 30_000;
  const own = Math.min(longestPauseMs, firstPauseMs * 2 ** failures);
  return Math.max(own * (1 - Math.random() / 2), e.retryAfterMs * (1 + Math.random() / 4));
}
