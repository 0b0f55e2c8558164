import { Keys } from './keys.js';
import { Penstock } from './penstock.js';
import { Refused, Unsure } from './errors.js';
import { readOptions } from './options.js';
import { addressOf, broughtBy, cookieOf, forwardedFor, navigates, setPassCookie } from './visitor.js';
import { verifyPass } from './verify.js';

export { signJoinToken } from './jointoken.js';

export function penstock(given) {
  const options = readOptions(given);
  const api = new Penstock(options);
  const keys = new Keys(api.readKeys, options.staleSeconds);
  const gate = { options, api, verify: (token) => verifyPass(token, options.sale, keys) };
  return (request, response, next) => {
    serve(gate, request, response).then((inside) => { if (inside) next(); }, next);
  };
}

// serve reports whether the visitor may go on; otherwise it has answered.
async function serve(gate, request, response) {
  const brought = broughtBy(request);
  if (brought) {
    await receive(gate, request, response, brought);
    return false;
  }
  try {
    request.penstock = await admission(gate, request);
    return true;
  } catch (error) {
    if (error instanceof Refused && await gate.api.isOpen()) return true;
    answerError(gate, request, response, error);
    return false;
  }
}

// admission returns the pass that the visitor's cookie holds.
async function admission(gate, request) {
  const token = cookieOf(request, gate.options.cookieName);
  if (!token) throw new Refused();
  const pass = await gate.verify(token);
  if (gate.options.online) await gate.api.askOnline(token, forwardedFor(request));
  return pass;
}

// receive turns what a visitor brought from the waiting room into a cookie, and takes it out of the address.
// Whoever has a valid cookie goes on with it, whatever becomes of the rest.
async function receive(gate, request, response, brought) {
  try {
    setPassCookie(request, response, gate.options, await take(gate, brought));
    seeOther(response, addressOf(request, gate.options));
  } catch (error) {
    const already = await admission(gate, request).catch(() => undefined);
    if (already) seeOther(response, addressOf(request, gate.options));
    else answerError(gate, request, response, error);
  }
}

// take returns the valid pass for what a visitor brought.
async function take(gate, { code, pass }) {
  if (!code) return gate.verify(pass);
  const token = await gate.api.redeem(code);
  try {
    return await gate.verify(token);
  } catch (error) {
    // It is from Penstock itself: the sale, the keys or the clock of this server are not right. Sending the
    // visitor back to the waiting room would be for ever.
    throw new Unsure('the pass that Penstock gave is not valid here; look at sale, apiUrl and the clock', error);
  }
}

function answerError(gate, request, response, error) {
  if (error instanceof Refused) return refuse(gate, request, response);
  if (!(error instanceof Unsure)) throw error;
  gate.options.warn(`penstock: a visitor of ${gate.options.sale} cannot be let in: ${error.message}`);
  response.writeHead(503, {
    'Content-Type': 'text/plain; charset=utf-8', 'Retry-After': '2', 'Cache-Control': 'no-store',
    'Referrer-Policy': 'no-referrer', // the address may hold a code
  });
  response.end('Your place in the shop cannot be checked at the moment. Please reload this page in a few seconds.\n');
}

// refuse sends a person to the waiting room, and tells a program.
function refuse({ options }, request, response) {
  const room = `${options.roomUrl}/sales/${options.sale}`;
  if (navigates(request)) {
    seeOther(response, `${room}?return=${encodeURIComponent(addressOf(request, options))}`);
    return;
  }
  response.writeHead(401, { 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' });
  response.end(JSON.stringify({
    type: 'urn:penstock:problem:pass_required', title: 'A pass from the waiting room is required',
    status: 401, code: 'pass_required', waiting_room: room,
  }));
}

// seeOther sends a browser on. The address that it leaves may hold a code, which is nobody else's business.
function seeOther(response, location) {
  response.writeHead(303, { Location: location, 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer' });
  response.end();
}
