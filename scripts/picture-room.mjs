#!/usr/bin/env node
// Makes the pictures of docs/waiting-room.md: each state of the waiting-room page, on a phone and on a desktop, in
// English and in Arabic, with the theme of a shop. It needs bin/penstock and what scripts/install-test-browser installs.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { chromiumOptions } from '../connectors/browser/test/support/chromium.mjs';
import { startPenstock } from '../connectors/browser/test/support/penstock.mjs';
import { openRooms, previews, serveImages, tellingSettings } from '../connectors/browser/test/support/room.mjs';
import { chromium } from '../connectors/browser/node_modules/playwright-core/index.mjs';

const directory = fileURLToPath(new URL('../docs/images/room/', import.meta.url));
const devices = { phone: { width: 390, height: 780 }, desktop: { width: 1120, height: 760 } };

await rm(directory, { recursive: true, force: true });
await mkdir(directory, { recursive: true });
const server = await startPenstock([], tellingSettings);
const browser = await chromium.launch(chromiumOptions);
let count = 0, bytes = 0;
try {
  await openRooms(server);
  for (const [language, scheme] of [['en', 'light'], ['ar', 'dark']]) {
    for (const [device, viewport] of Object.entries(devices)) {
      const context = await browser.newContext({ viewport, locale: language, timezoneId: 'UTC', reducedMotion: 'reduce' });
      await serveImages(context);
      const page = await context.newPage();
      const protocol = await context.newCDPSession(page);
      for (const { state, url } of await previews(server, 'themed', language, scheme)) {
        await page.goto(url, { waitUntil: 'load' });
        const height = Math.max(viewport.height, await page.evaluate(() => document.documentElement.scrollHeight));
        const clip = { x: 0, y: 0, width: viewport.width, height, scale: 1 };
        const { data } = await protocol.send('Page.captureScreenshot', { format: 'webp', quality: 72, captureBeyondViewport: true, clip });
        const picture = Buffer.from(data, 'base64');
        await writeFile(`${directory}${state}-${language}-${device}.webp`, picture);
        count++;
        bytes += picture.length;
      }
      await context.close();
    }
  }
} finally {
  await browser.close();
  await server.stop();
}
console.log(`${count} pictures, ${Math.round(bytes / 1024)} KiB`);
