import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refused, Unsure } from '../src/errors.js';
import { Keys } from '../src/keys.js';
import { freshMillis } from '../src/penstock.js';

const jwk = (kid) => ({ kty: 'OKP', crv: 'Ed25519', kid, x: Buffer.from(kid.padEnd(32)).toString('base64url') });

// publisher is a Penstock that publishes keys and can be away, and a clock that is moved by hand.
function publisher(...ids) {
  const p = { ids, away: false, asked: 0, nowMillis: 0 };
  const read = async () => {
    p.asked++;
    if (p.away) throw new Error('away');
    return { keys: p.ids.map(jwk), freshMillis: 300_000 };
  };
  p.keys = new Keys(read, 3600, () => p.nowMillis);
  // looks asks for a key at a second and checks how often Penstock was asked until then.
  p.looks = async (id, second, asked, error) => {
    p.nowMillis = second * 1000;
    if (error) await assert.rejects(p.keys.find(id), error);
    else assert.equal(Buffer.from((await p.keys.find(id)).export?.({ format: 'jwk' }).x ?? '', 'base64url').toString().trim(), id);
    assert.equal(p.asked, asked);
  };
  return p;
}

test('keys are kept for as long as Penstock says', async () => {
  const p = publisher('a');
  await p.looks('a', 0, 1);
  await p.looks('a', 299, 1);
  await p.looks('a', 300, 2);
});

test('an unknown key is asked for at most every ten seconds', async () => {
  const p = publisher('a');
  await p.looks('a', 0, 1);
  p.ids = ['a', 'b'];
  for (let i = 0; i < 100; i++) await p.looks('made-up', 9, 1, Refused);
  await p.looks('b', 10, 2);
  await p.looks('made-up', 11, 2, Refused);
});

test('old keys are used for a bounded time while Penstock is away', async () => {
  const p = publisher('a');
  await p.looks('a', 0, 1);
  p.away = true;
  await p.looks('a', 301, 2);
  await p.looks('a', 302, 2);
  await p.looks('other', 303, 2, Unsure);
  await p.looks('a', 300 + 3599, 3);
  await p.looks('a', 300 + 3600, 3, Unsure);
  p.away = false;
  await p.looks('a', 300 + 3610, 4);
});

test('without keys nobody is refused for good', async () => {
  await publisher().looks('a', 0, 1, Unsure); // a set without keys is none
});

test('one request asks for all', async () => {
  const p = publisher('a');
  await Promise.all(Array.from({ length: 50 }, () => p.keys.find('a')));
  assert.equal(p.asked, 1);
});

test('how long keys are fresh', () => {
  const cases = {
    'public, max-age=300': 300_000, 'max-age=0': 10_000, 'max-age=999999': 3_600_000, 'no-store': 300_000, '': 300_000,
    's-maxage=7, max-age=60': 60_000, 'max-age=99999999999999': 300_000,
  };
  for (const [header, want] of Object.entries(cases)) assert.equal(freshMillis(header), want, header);
});
