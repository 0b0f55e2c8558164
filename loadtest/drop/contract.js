// One call to the server, and the judgement of its answer. `allowed` lists the statuses right in the caller's state:
// a success maps to true, a refusal to the problem codes that may explain it.
import http from 'k6/http';

import { settings } from './settings.js';
import * as metrics from './metrics.js';
import { jitter, sleep } from './wait.js';

const busyCodes = ['overloaded', 'unavailable', 'room_full', 'rate_limited', 'too_many_releases'];

// call sends one request and returns {status, body, code}: status 0 means that there was no answer.
export async function call(name, request, allowed) {
  const params = {
    headers: request.headers || {},
    tags: { name },
    responseType: 'text',
    jar: new http.CookieJar(), // the VU's own jar would mix up its visitors; credentials() sends what each one has
    timeout: '30s',
  };
  let payload = null;
  if (request.body !== undefined) {
    payload = JSON.stringify(request.body);
    params.headers['Content-Type'] = 'application/json';
  }
  const res = await http.asyncRequest(request.method, settings.baseURL + request.path, payload, params);
  return judge(name, res, allowed);
}

function judge(name, res, allowed) {
  const answer = { status: res.status, millis: res.timings.duration, body: parse(res.body), code: '', retryAfterMillis: 0 };
  if (res.status >= 400) {
    answer.code = (answer.body && answer.body.code) || '';
    answer.retryAfterMillis = 1000 * Number(res.headers['Retry-After'] || 0);
  }
  if (res.status === 0 || (settings.allowOutage && res.status >= 500)) {
    answer.outage = true;
    if (settings.allowOutage) metrics.outageFailures.add(1, { name });
    else unexpected(name, res, answer);
    return answer;
  }
  if (busyCodes.includes(answer.code) && (res.status === 503 || res.status === 429)) {
    answer.busy = true;
    metrics.turnedAway.add(1, { name });
    checkProblem(name, res, answer);
    return answer;
  }
  if (res.status >= 500) metrics.serverErrors.add(1, { name });
  const right = allowed[res.status];
  if (right === undefined || (right !== true && !right.includes(answer.code))) {
    unexpected(name, res, answer);
    answer.wrong = true;
  } else if (res.status >= 400) {
    checkProblem(name, res, answer);
  }
  return answer;
}

function parse(body) {
  if (!body) return null;
  try {
    return JSON.parse(body);
  } catch (_) {
    return null;
  }
}

function unexpected(name, res, answer) {
  metrics.unexpectedStatus.add(1, { name, status: String(res.status), code: answer.code });
  metrics.tell('unexpected', { call: name, status: res.status, error: res.error, body: String(res.body || '').slice(0, 300) });
}

// checkProblem: a refusal is application/problem+json and says its own status and a code (RFC 9457).
function checkProblem(name, res, answer) {
  if (res.body === null) return;
  const type = res.headers['Content-Type'] || '';
  const whole = answer.body && answer.body.status === res.status && answer.body.title && answer.body.type;
  ensure(name, type.startsWith('application/problem+json') && whole, 'a refusal is problem+json', { type, body: answer.body });
  if (answer.busy && res.status === 503) ensure(name, answer.retryAfterMillis > 0, '503 carries Retry-After', { code: answer.code });
}

// ensure counts a broken promise of the contract that the status alone does not show.
export function ensure(name, holds, what, seen) {
  if (holds) return true;
  metrics.contractBroken.add(1, { name, what });
  metrics.tell('broken', { call: name, what, seen });
  return false;
}

// insist repeats a call while the server is busy, or down on purpose, until the deadline. The repeat carries the same
// idempotency key; `again` lists what a repeat may be answered on top, since the first try may have succeeded unheard.
export async function insist(name, request, allowed, deadline, again = {}) {
  let backoffMillis = 250;
  let right = allowed;
  for (;;) {
    const answer = await call(name, request, right);
    const inFlight = answer.code === 'in_flight';
    if (!answer.busy && !inFlight && !(answer.outage && settings.allowOutage)) return answer;
    const waitMillis = jitter(inFlight ? 200 : Math.max(answer.retryAfterMillis, backoffMillis));
    if (Date.now() + waitMillis > deadline) return answer;
    await sleep(waitMillis);
    backoffMillis = Math.min(2 * backoffMillis, 4000);
    right = { ...allowed, ...again };
  }
}
