import { createPrivateKey, createSecretKey } from 'node:crypto';
import { SignJWT } from 'jose';

const maxCustomerLength = 128; // in characters
const maxLaneBytes = 32;
const maxLifeSeconds = 24 * 60 * 60;
const minSecretBytes = 32;

/** Returns a join token. Rejects with a TypeError what Penstock would refuse. */
export async function signJoinToken({ customer, audience, validSeconds, lane, issuer, key, keyId }) {
  check(typeof customer === 'string' && customer.isWellFormed?.() !== false && [...customer].length >= 1
    && [...customer].length <= maxCustomerLength && !/\p{Cc}/u.test(customer), 'the customer of a join token has 1 to 128 characters');
  check(typeof audience === 'string' && audience, 'a join token needs an audience, which is the id of the sale');
  check(Number.isInteger(validSeconds) && validSeconds >= 1 && validSeconds <= maxLifeSeconds, 'a join token is valid for 1 to 86400 s');
  check(lane === undefined || (typeof lane === 'string' && Buffer.byteLength(lane) <= maxLaneBytes), 'the lane of a join token has at most 32 bytes');
  check(typeof keyId === 'string' && keyId, 'a join token needs the id of its key');
  const signer = readKey(key);
  const claims = { sub: customer, aud: audience, exp: Math.floor(Date.now() / 1000) + validSeconds };
  if (lane) claims.lane = lane;
  if (issuer) claims.iss = issuer;
  return new SignJWT(claims).setProtectedHeader({ alg: algorithmOf(signer), kid: keyId, typ: 'JWT' }).sign(signer);
}

// readKey takes a private key in PEM for one, whatever it is: it never becomes a shared secret.
function readKey(key) {
  if (typeof key === 'string' && key.trimStart().startsWith('-----BEGIN')) return createPrivateKey(key);
  if (typeof key === 'string') return createSecretKey(Buffer.from(key));
  return key instanceof Uint8Array ? createSecretKey(key) : key;
}

function algorithmOf(key) {
  if (key?.type === 'secret' && key.symmetricKeySize >= minSecretBytes) return 'HS256';
  if (key?.type === 'private' && key.asymmetricKeyType === 'ed25519') return 'EdDSA';
  if (key?.type === 'private' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return 'ES256';
  throw new TypeError('penstock: a join token is signed with an Ed25519 key, a P-256 key, or a secret of 32 bytes or more');
}

function check(right, why) {
  if (!right) throw new TypeError(`penstock: ${why}`);
}
