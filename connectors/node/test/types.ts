// Compiled and not run: what is exported has the types that it says.
import { createServer } from 'node:http';
import express from 'express';
import { penstock, type Middleware, type Pass } from '@penstock/connector';

const gate: Middleware = penstock({ sale: 'drop', roomUrl: 'https://queue.shop.example', online: true });
createServer((request, response) => gate(request, response, () => {
  const pass: Pass | undefined = request.penstock;
  response.end(pass?.ticket);
}));
express().use('/checkout', gate);
// @ts-expect-error the sale is required
penstock({ roomUrl: 'https://queue.shop.example' });
