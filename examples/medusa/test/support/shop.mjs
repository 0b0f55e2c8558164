// Stands in for Medusa: a shop that completes carts, with the shop's own file src/api/middlewares.js before it. The file
// is copied beside a stub of the framework, so that this needs no Medusa.
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const file = fileURLToPath(new URL('../../shop/src/api/middlewares.js', import.meta.url));

/** Returns the exports of the shop's file under these settings. */
export async function loadFile(settings) {
  const directory = await mkdtemp(join(tmpdir(), 'penstock-medusa-'));
  const framework = join(directory, 'node_modules', '@medusajs', 'framework');
  await mkdir(framework, { recursive: true });
  await writeFile(join(directory, 'package.json'), '{"type":"module"}');
  await writeFile(join(framework, 'package.json'), '{"type":"module","exports":{"./http":"./stub.js","./utils":"./stub.js"}}');
  await writeFile(join(framework, 'stub.js'),
    "export const defineMiddlewares = (config) => config; export const ContainerRegistrationKeys = { QUERY: 'query', LOGGER: 'logger' };");
  await cp(file, join(directory, 'middlewares.js'));
  Object.assign(process.env, settings);
  try {
    return await import(pathToFileURL(join(directory, 'middlewares.js')));
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** Starts the shop. `carts` are its carts by id, `complete(cart)` is how it completes one: [status, body]. */
export async function startShop() {
  const shop = { carts: new Map(), completed: [], errors: [], complete: undefined, middleware: undefined };
  const services = {
    query: { graph: async ({ filters }) => ({ data: [shop.carts.get(filters.id)] }) },
    logger: { error: (text) => shop.errors.push(text) },
  };
  const server = createServer(async (incoming, outgoing) => {
    const id = /^\/store\/carts\/([^/]+)\/complete$/.exec(incoming.url)?.[1];
    const request = { params: { id }, get: (name) => incoming.headers[name.toLowerCase()], scope: { resolve: (key) => services[key] } };
    const response = {
      statusCode: 200,
      status(code) { this.statusCode = code; return this; },
      json(body) { outgoing.writeHead(this.statusCode, { 'Content-Type': 'application/json' }).end(JSON.stringify(body)); return this; },
    };
    await shop.middleware(request, response, async () => {
      shop.completed.push(id);
      const [status, body] = await shop.complete(id);
      response.status(status).json(body);
    });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  shop.url = `http://127.0.0.1:${server.address().port}`;
  shop.stop = () => { server.close(); server.closeAllConnections(); };
  return shop;
}
