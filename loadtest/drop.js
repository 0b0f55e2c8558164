// The drop: a crowd walks through a Penstock sale the way people do, and every answer is held against the contract.
//
//   k6 run -e BASE_URL=http://127.0.0.1:8080 -e SALE=demo loadtest/drop.js
//
// The model is open: visitors arrive at their own rate whatever the server does. A waiting visitor costs almost nothing,
// so one VU carries a small group of them (VISITORS_PER_VU) on its event loop, each with its own timers and tickets:
// 20,000 people then need 2,500 JavaScript engines and a few thousand sockets, which fit a laptop and its descriptor limit.
import exec from 'k6/execution';
import http from 'k6/http';

import { settings } from './drop/settings.js';
import { thresholds } from './drop/metrics.js';
import { visit } from './drop/visitor.js';
import { sleep } from './drop/wait.js';

const groups = Math.max(1, Math.ceil(settings.visitors / settings.visitorsPerVU));
const groupSpreadMillis = 1000; // the members of a group do not arrive as a coach party

function arrivals() {
  // Two to spare: the executor may start one group more at the very end; it finds no visitors left and does nothing.
  const common = { preAllocatedVUs: groups + 2, maxVUs: groups + 2, gracefulStop: `${settings.patienceSeconds + 120}s` };
  const timeUnit = `${settings.arrivalSeconds}s`;
  if (settings.arrival === 'rush') { // most come first: the rate falls evenly from twice the mean to nothing
    return {
      ...common, executor: 'ramping-arrival-rate', timeUnit, startRate: 2 * groups + 2,
      stages: [{ target: 0, duration: timeUnit }],
    };
  }
  return { ...common, executor: 'constant-arrival-rate', timeUnit, rate: groups, duration: timeUnit };
}

export const options = {
  scenarios: { drop: arrivals() },
  thresholds: thresholds(),
  discardResponseBodies: true, // the calls that need a body ask for it
  batchPerHost: 2, // also the number of idle connections a VU keeps
  summaryTrendStats: ['avg', 'min', 'med', 'p(95)', 'p(99)', 'max'],
  systemTags: ['status', 'method', 'name', 'group', 'scenario', 'error_code', 'expected_response'],
};

http.setResponseCallback(http.expectedStatuses({ min: 200, max: 499 }, 503));

export function setup() {
  const res = http.get(`${settings.baseURL}/v1/sales/${settings.sale}`, { responseType: 'text', tags: { name: 'document' } });
  if (res.status !== 200) {
    exec.test.abort(`sale ${settings.sale} is not at ${settings.baseURL}: status ${res.status} ${res.error || res.body}`);
  }
  const doc = JSON.parse(res.body);
  return { sku: settings.sku || doc.items[0].sku };
}

export default async function (sale) {
  const first = exec.scenario.iterationInTest * settings.visitorsPerVU;
  const group = [];
  for (let n = first; n < first + settings.visitorsPerVU && n < settings.visitors; n++) {
    group.push(sleep(Math.random() * groupSpreadMillis).then(() => visit(n, sale)));
  }
  await Promise.all(group);
}
