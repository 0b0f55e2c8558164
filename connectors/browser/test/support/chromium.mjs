// How Chromium is started for tests and pictures.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

function find() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    for (const directory of process.env.PATH.split(delimiter)) {
      try {
        accessSync(join(directory, name), constants.X_OK);
        return join(directory, name);
      } catch { /* not there */ }
    }
  }
  throw new Error('Chromium is not in PATH: run scripts/install-test-browser, or name it by CHROMIUM');
}

export const chromiumOptions = {
  executablePath: find(),
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  ],
};
