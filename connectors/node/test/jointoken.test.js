import assert from 'node:assert/strict';
import { createSecretKey, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { decodeJwt, jwtVerify } from 'jose';
import { signJoinToken } from '../src/index.js';

const secret = 'a-shared-secret-of-thirty-two-by';
const good = { customer: 'Zoë/7', audience: 'drop', validSeconds: 300, lane: 'vip', issuer: 'shop', key: secret, keyId: 'k1' };
const ed = generateKeyPairSync('ed25519');
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pem = (key) => key.export({ type: 'pkcs8', format: 'pem' });

test('a join token says what the waiting room reads', async () => {
  for (const [alg, key, verify] of [
    ['EdDSA', ed.privateKey, ed.publicKey], ['EdDSA', pem(ed.privateKey), ed.publicKey],
    ['ES256', ec.privateKey, ec.publicKey], ['ES256', pem(ec.privateKey), ec.publicKey],
    ['HS256', secret, Buffer.from(secret)], ['HS256', Buffer.from(secret), Buffer.from(secret)],
    ['HS256', createSecretKey(Buffer.from(secret)), Buffer.from(secret)],
  ]) {
    const before = Math.floor(Date.now() / 1000);
    const { payload, protectedHeader } = await jwtVerify(await signJoinToken({ ...good, key }), verify, { algorithms: [alg] });
    const { exp, ...rest } = payload;
    assert.deepEqual(rest, { sub: 'Zoë/7', aud: 'drop', lane: 'vip', iss: 'shop' });
    assert.ok(exp >= before + 300 && exp <= Date.now() / 1000 + 300, `${exp}`);
    assert.deepEqual(protectedHeader, { alg, kid: 'k1', typ: 'JWT' });
  }
});

test('what is not said is not in a join token', async () => {
  const token = await signJoinToken({ customer: '7', audience: 'drop', validSeconds: 60, key: secret, keyId: 'k1' });
  assert.deepEqual(Object.keys(decodeJwt(token)).sort(), ['aud', 'exp', 'sub']);
});

test('a join token that would be refused is not signed', async () => {
  for (const change of [
    { customer: '' }, { customer: 'é'.repeat(129) }, { customer: 'a\nb' }, { customer: 7 }, { audience: '' }, { audience: undefined },
    { validSeconds: 0 }, { validSeconds: 86401 }, { validSeconds: 1.5 }, { validSeconds: undefined }, { lane: 'é'.repeat(17) }, { keyId: '' },
    { key: secret.slice(1) }, { key: undefined }, { key: ed.publicKey }, { key: generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey },
  ]) {
    await assert.rejects(signJoinToken({ ...good, ...change }), TypeError, JSON.stringify(change));
  }
  await assert.rejects(signJoinToken({ ...good, key: `-----BEGIN PRIVATE KEY-----\n${secret}` })); // it never becomes a secret
});
