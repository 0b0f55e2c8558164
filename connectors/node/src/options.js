const saleId = /^[a-z0-9-]{1,64}$/;
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/; // a name that a cookie can have

/** Fills in the defaults. Throws a TypeError when the options cannot be right. */
export function readOptions(given) {
  const options = {
    apiUrl: given.roomUrl, shopUrl: undefined, cookieName: `penstock_pass_${given.sale}`, online: false, staleSeconds: 3600,
    warn: (message) => console.warn(message),
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  };
  if (typeof options.sale !== 'string' || !saleId.test(options.sale)) throw new TypeError('penstock: sale is not the id of a sale');
  if (!token.test(options.cookieName)) throw new TypeError('penstock: cookieName is not the name of a cookie');
  for (const name of ['roomUrl', 'apiUrl', 'shopUrl']) {
    if (name === 'shopUrl' && !options.shopUrl) continue;
    if (!isAddress(options[name])) throw new TypeError(`penstock: ${name} is not an http(s) address`);
    options[name] = base(options[name]);
  }
  return options;
}

function isAddress(text) {
  if (!/^https?:\/\/[^/]/.test(text)) return false;
  try {
    const url = new URL(text);
    return !url.username && !url.password && !url.search && !url.hash;
  } catch {
    return false;
  }
}

/** An address without the slash at its end. */
export function base(address) {
  return address.replace(/\/+$/, '');
}
