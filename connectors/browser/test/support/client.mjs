// The built client, as shops load it.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const file = (name) => fileURLToPath(new URL('../../../../internal/front/static/' + name, import.meta.url));
export const scriptText = readFileSync(file('client.js'), 'utf8');
export const { connect, PenstockError } = await import(file('client.mjs'));

/** Waits for a client's next event of this type that satisfies test; 20 s at most. */
export function event(client, type, test = () => true) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no event ' + type)), 20_000);
    const listen = ({ detail }) => {
      if (!test(detail)) return;
      clearTimeout(timer);
      client.removeEventListener(type, listen);
      resolve(detail);
    };
    client.addEventListener(type, listen);
  });
}

/** Takes a place and waits until it is called. */
export async function called(client) {
  const turn = event(client, 'ticket', (ticket) => ticket.state === 'called');
  await Promise.all([client.join(), turn]);
}
