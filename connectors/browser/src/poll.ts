import { type PenstockError, mayPass, pauseMs } from './problem';
import type { Ticket } from '../client';

/**
 * Asks again and again, each time when the last answer said. While the page is hidden nothing is asked; what fell
 * due in the meantime is asked at once when it is shown. After a failure asking goes on by itself if that may pass.
 */
export function openPoll(
  ask: () => Promise<Ticket>, answered: (ticket: Ticket) => void, failed: (e: PenstockError) => void, whileHidden?: boolean,
) {
  const page = globalThis.document;
  let round = 0; // an answer to an earlier round changes nothing
  let timer: ReturnType<typeof setTimeout>;
  let due: boolean | undefined;
  let failures = 0;

  function stop() {
    round++;
    due = false;
    clearTimeout(timer);
  }
  function after(ms: number) {
    stop();
    timer = setTimeout(() => { if (page?.hidden && !whileHidden) due = true; else poll(); }, ms);
  }
  async function poll() {
    stop();
    const mine = round;
    try {
      const ticket = await ask();
      if (mine === round) follow(ticket);
    } catch (thrown) {
      if (mine !== round) return;
      const e = thrown as PenstockError;
      if (mayPass(e)) after(pauseMs(e, failures++));
      failed(e);
    }
  }
  /** Tells an answer, and asks again when it says. Nothing follows the end of the sale. */
  function follow(ticket: Ticket) {
    failures = 0;
    after(ticket.poll_after_ms);
    if (ticket.state === 'ended') stop();
    answered(ticket);
  }

  page?.addEventListener('visibilitychange', () => due && !page.hidden && poll());
  return { stop, follow };
}
