// A shop with one page, which only visitors whom the waiting room admitted can see.
import { createServer } from 'node:http';
import { penstock } from '../src/index.js';

const gate = penstock({
  sale: process.env.PENSTOCK_SALE, roomUrl: process.env.PENSTOCK_ROOM_URL, online: process.env.PENSTOCK_ONLINE === '1',
});
const [host, port] = process.env.SHOP_LISTEN.split(':');

createServer((request, response) => gate(request, response, (error) => {
  if (error) { response.writeHead(500).end(); return; }
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  response.setHeader('Cache-Control', 'private, no-store');
  response.end(`<h1>Checkout</h1><p>Ticket ${request.penstock?.ticket ?? ''}</p>`);
})).listen(Number(port), host);
