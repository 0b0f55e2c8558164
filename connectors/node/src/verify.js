import { jwtVerify } from 'jose';
import { Refused, Unsure } from './errors.js';

const maxPassLength = 1024;
// By how much the clock of this server may be behind that of Penstock's Redis, in s.
const clockToleranceSeconds = 5;

/** Returns the pass of a token. It asks Penstock only for keys. Throws Refused or Unsure. */
export async function verifyPass(token, sale, keys) {
  if (typeof token !== 'string' || token.length > maxPassLength) throw new Refused();
  try {
    const { payload } = await jwtVerify(token, ({ kid }) => keys.find(kid), {
      algorithms: ['EdDSA'], issuer: 'penstock', audience: sale, requiredClaims: ['exp', 'jti'], clockTolerance: clockToleranceSeconds,
    });
    return { token, sale, ticket: payload.jti, expiresAt: new Date(payload.exp * 1000) };
  } catch (error) {
    if (error instanceof Unsure) throw error;
    throw new Refused();
  }
}
