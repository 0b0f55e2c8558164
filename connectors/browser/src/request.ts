import { PenstockError } from './problem';
import type { Memory } from './memory';

export interface Call {
  /** JSON. */
  body?: string;
  key?: string;
  /** The reservation that it is about. */
  about?: string;
  /** The ticket is sent as a header too, so that no second one is given where cookies do not arrive. */
  showTicket?: boolean;
  /** The answer is the same for all. A browser lets a page read such answers only without credentials. */
  forAll?: boolean;
}

/** One request without retries. It rejects with a PenstockError. */
export type Attempt = <T>(method: string, path: string, call?: Call) => Promise<T>;

/** Opens the way to the front. clockDiffers is told how far its clock is ahead of this machine's, in ms. */
export function openWay(front: string, memory: Memory, clockDiffers: (aheadMs: number) => unknown): Attempt {
  function headersOf({ body, key, about, showTicket, forAll }: Call): [string, string][] {
    const { ticket, pass, holders } = memory.known;
    const { inHeaders } = memory;
    return Object.entries({
      'Content-Type': body && 'application/json',
      'Idempotency-Key': key,
      ...(!forAll && {
        'Penstock-Ticket': (inHeaders || showTicket) && ticket,
        'Penstock-Pass': inHeaders && pass,
        'Penstock-Holder': inHeaders && holders?.find(([id]) => id === about)?.[1],
      }),
    }).filter(([, value]) => value) as [string, string][];
  }

  return async function attempt<T>(method: string, path: string, call: Call = {}): Promise<T> {
    const attemptMs = 20_000; // longer than the front takes for anything
    const { known } = memory;
    let status = 0, retryAfterMs = 0, doc;
    try {
      const answer = await fetch(front + path, {
        method, body: call.body, headers: headersOf(call), credentials: call.forAll ? 'omit' : 'include',
        signal: AbortSignal.timeout?.(attemptMs), // where that is missing, the browser's own limit holds
      });
      const header = (name: string) => answer.headers.get(name)!;
      status = answer.status;
      retryAfterMs = msOf(header('Retry-After'));
      const text = await answer.text();
      doc = text && JSON.parse(text);
      // Date is rounded down to a second, and the front renews it once a second. So it is up to two seconds behind;
      // an answer for all may be older.
      if (!call.forAll) clockDiffers(Date.parse(header('Date')) + 2000 - Date.now() || 0);
      const proof = header('Penstock-Holder');
      if (proof) memory.keep({ holders: [[doc.id, proof] as [string, string], ...known.holders ?? []].slice(0, 8) });
      if (answer.ok && (doc || status === 204)) return doc;
    } catch { /* no whole answer, or not one of Penstock's */ }
    const problem = doc?.code ? doc : {};
    if (problem.code && status === 401 && !memory.inHeaders && (known.ticket || known.holders)) {
      memory.cookiesArrive(false);
      return attempt(method, path, call);
    }
    throw new PenstockError(status, retryAfterMs || problem.poll_after_ms || 0, problem);
  };
}

/** Reads Retry-After: seconds, or a date. None is 0. */
const msOf = (retryAfter: string) => Math.max(0, +retryAfter * 1000 || Date.parse(retryAfter) - Date.now() || 0);
