// What a run is told by its environment, with defaults. Shares are fractions of all visitors.
function number(name, fallback) {
  const text = __ENV[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (Number.isNaN(value) || value < 0) throw new Error(`${name}=${text} is not a number of 0 or more`);
  return value;
}

export const settings = {
  baseURL: (__ENV.BASE_URL || 'http://127.0.0.1:8080').replace(/\/$/, ''),
  sale: __ENV.SALE || 'demo',
  sku: __ENV.SKU || '', // empty = the sale's first item
  visitors: number('VISITORS', 20000),
  arrivalSeconds: number('ARRIVAL_SECONDS', 60),
  arrival: __ENV.ARRIVAL || 'constant', // constant | rush
  visitorsPerVU: Math.max(1, number('VISITORS_PER_VU', 8)),

  patienceSeconds: number('PATIENCE_SECONDS', 240), // from joining to giving up
  heldOutPatienceSeconds: number('HELD_OUT_PATIENCE_SECONDS', 45), // how long "some may come back" is believed
  thinkSeconds: number('THINK_SECONDS', 1.5), // mean, before reserving and before ordering

  stock: number('STOCK', 0), // units on sale; 0 = not known, then not checked
  perCustomer: number('PER_CUSTOMER', 1), // the item's limit; 0 = none, then nobody is greedy

  allowOutage: __ENV.ALLOW_OUTAGE === 'true', // a server is killed on purpose: lost connections are counted apart
  logAccepted: __ENV.LOG_ACCEPTED === 'true', // one JSON line on the console for each accepted order
  run: __ENV.RUN || Date.now().toString(36), // makes customers and keys unique between runs

  share: {
    leave: number('SHARE_LEAVE', 0.04), // leave the line while they wait, and say so
    ghost: number('SHARE_GHOST', 0.02), // close the tab while they wait
    dawdle: number('SHARE_DAWDLE', 0.04), // let the hold expire, then try to order
    release: number('SHARE_RELEASE', 0.03), // give the units back
    greedy: number('SHARE_GREEDY', 0.04), // first try more than the limit
    mismatch: number('SHARE_MISMATCH', 0.02), // same idempotency key, another payload
    replay: number('SHARE_REPLAY', 0.1), // repeat join, claim, reservation and order with the same key
    cookie: number('SHARE_COOKIE', 0.5), // carry ticket and pass as cookies, the others as headers
  },

  p99Millis: { // thresholds on top, 0 = none
    poll: number('P99_POLL_MS', 0),
    reserve: number('P99_RESERVE_MS', 0),
    order: number('P99_ORDER_MS', 0),
  },
};
