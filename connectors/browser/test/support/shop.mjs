// A shop of one empty page, on an origin of its own, that loads the client from the front.
import { createServer } from 'node:http';
import { freePort } from './penstock.mjs';

const page = (front) => `<!doctype html><title>Shop</title>
<script src="${front}/sales/static/client.js"></script>
<script type="module">import { connect } from '${front}/sales/static/client.mjs'; window.connectModule = connect;</script>`;

/** The port is chosen first, because the server of the sale must know it. */
export async function startShop(port, front) {
  const server = createServer((_, answer) => answer.writeHead(200, { 'Content-Type': 'text/html' }).end(page(front)));
  await new Promise((done) => server.listen(port, done)); // 127.0.0.1 and localhost are two sites
  return { stop: () => { server.close(); server.closeAllConnections(); } };
}

export { freePort };
