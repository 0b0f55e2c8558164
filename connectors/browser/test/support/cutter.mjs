// A proxy that forwards requests to a server, and drops the connection instead of some answers.
import { createServer, request } from 'node:http';
import { freePort } from './penstock.mjs';

export async function startCutter(target) {
  const left = new Map(); // 'METHOD path' → how many answers are still to be dropped
  let cuts = 0;
  const server = createServer((asked, answer) => {
    const onward = request(target + asked.url, { method: asked.method, headers: asked.headers }, (came) => {
      const name = `${asked.method} ${asked.url}`;
      if ((left.get(name) ?? 0) > 0) {
        left.set(name, left.get(name) - 1);
        cuts++;
        came.resume();
        answer.socket.destroy(); // the server has answered; the visitor never hears it
        return;
      }
      answer.writeHead(came.statusCode, came.headers);
      came.pipe(answer);
    });
    onward.on('error', () => answer.socket.destroy());
    asked.pipe(onward);
  });
  const port = await freePort();
  await new Promise((done) => server.listen(port, '127.0.0.1', done));
  return {
    front: `http://127.0.0.1:${port}`,
    cutAnswers: (name, count) => { left.set(name, count); },
    cuts: () => cuts,
    stop: () => { server.close(); server.closeAllConnections(); },
  };
}
