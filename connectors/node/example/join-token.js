// Prints a join token, as a shop puts it into the link to the waiting room.
import { signJoinToken } from '../src/index.js';

console.log(await signJoinToken({
  customer: process.env.JOIN_CUSTOMER, audience: process.env.PENSTOCK_SALE, validSeconds: Number(process.env.JOIN_SECONDS),
  lane: process.env.JOIN_LANE, key: process.env.JOIN_KEY, keyId: process.env.JOIN_KEY_ID,
}));
