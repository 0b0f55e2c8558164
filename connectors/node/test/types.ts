// Compiled and not run: what is exported has the types that it says.
import { createServer } from 'node:http';
import express from 'express';
import { penstock, signJoinToken, type Middleware, type Pass } from '@penstock/connector';

const gate: Middleware = penstock({ sale: 'drop', roomUrl: 'https://queue.shop.example', online: true });
createServer((request, response) => gate(request, response, () => {
  const pass: Pass | undefined = request.penstock;
  response.end(pass?.ticket);
}));
express().use('/checkout', gate);
// @ts-expect-error the sale is required
penstock({ roomUrl: 'https://queue.shop.example' });
const signed: Promise<string> = signJoinToken({ customer: '7', audience: 'drop', validSeconds: 300, key: 'secret', keyId: 'k1' });
void signed;
// @ts-expect-error the time is required
signJoinToken({ customer: '7', audience: 'drop', key: 'secret', keyId: 'k1' });
