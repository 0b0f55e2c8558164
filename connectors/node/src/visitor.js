// Parameters that the waiting room adds to the address.
const ours = ['penstock_code', 'penstock_pass'];
// What codes and passes are made of. Nothing else is asked about.
const tokenForm = /^[A-Za-z0-9._-]{1,1024}$/;

// Express cuts the path at which a middleware is mounted out of url.
const urlOf = (request) => request.originalUrl ?? request.url;

/**
 * What a visitor brought from the waiting room, or undefined. A HEAD request uses no code up: the GET that
 * follows needs it.
 */
export function broughtBy(request) {
  const [, query] = split(urlOf(request));
  if (request.method !== 'GET' || query === '') return undefined;
  const all = new URLSearchParams(query);
  const [code, pass] = ours.map((name) => all.get(name) ?? '');
  if (code === '' && pass === '') return undefined;
  const formed = (text) => (tokenForm.test(text) ? text : '');
  return { code: formed(code), pass: formed(pass) };
}

/**
 * Where the visitor is, without what the waiting room added. It is absolute: a path that begins with two
 * slashes would lead to another host.
 */
export function addressOf(request, { shopUrl }) {
  const shop = shopUrl ?? `${overTls(request, shopUrl) ? 'https' : 'http'}://${request.headers.host ?? request.headers[':authority']}`;
  const [path, query] = split(urlOf(request));
  const kept = query.split('&').filter((part) => part !== '' && !ours.includes(nameOf(part)));
  return shop + path + (kept.length > 0 ? `?${kept.join('&')}` : '');
}

// split returns the path and the query of what stands in a request line, which may be a whole address.
function split(target) {
  const local = target.startsWith('/') ? target : target.replace(/^https?:\/\/[^/?]*/i, '');
  const [path, query = ''] = splitOnce(local, '?');
  return [path.startsWith('/') ? path : `/${path}`, query];
}

function splitOnce(text, at) {
  const index = text.indexOf(at);
  return index < 0 ? [text] : [text.slice(0, index), text.slice(index + 1)];
}

function nameOf(part) {
  const [name] = part.split('=', 1);
  try { return decodeURIComponent(name.replaceAll('+', ' ')); } catch { return name; }
}

/**
 * Whether the visitor's own connection is encrypted. Who forges the header makes only their own cookie
 * stricter.
 */
function overTls(request, shopUrl) {
  if (shopUrl) return shopUrl.startsWith('https:');
  const [proto] = String(request.headers['x-forwarded-proto'] ?? '').split(',', 1);
  return Boolean(request.socket?.encrypted) || proto.trim() === 'https';
}

/** The value of a cookie, or undefined. */
export function cookieOf(request, name) {
  for (const pair of (request.headers.cookie ?? '').split(';')) {
    const [key, value] = splitOnce(pair.trim(), '=');
    if (key === name) return value;
  }
  return undefined;
}

export function setPassCookie(request, response, { cookieName, shopUrl }, pass) {
  const seconds = Math.max(1, Math.floor((pass.expiresAt - Date.now()) / 1000));
  const secure = overTls(request, shopUrl) ? '; Secure' : '';
  const cookie = `${cookieName}=${pass.token}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure}`;
  response.setHeader('Set-Cookie', [response.getHeader('Set-Cookie') ?? [], cookie].flat());
}

/** For whom the shop asks, as a proxy would say: Penstock may tie a pass to a network. */
export function forwardedFor(request) {
  return [request.headers['x-forwarded-for'], request.socket?.remoteAddress].filter(Boolean).join(', ');
}

/** Whether a browser asks for a page to show. A script could not follow to another host. */
export function navigates(request) {
  const mode = request.headers['sec-fetch-mode'] ?? '';
  return (request.method === 'GET' || request.method === 'HEAD') && (mode === '' || mode === 'navigate');
}
