// Stands for Next.js: gives each route a Request and sends its Response. Prints its port.
import http from 'node:http';

globalThis.handleWebhookEvent = async () => {};
const routes = { '/signed': (await import('./signed.mjs')).POST, '/plain': (await import('./plain.mjs')).POST };
const log = console.log;
console.log = () => {};

http
  .createServer(async (incoming, outgoing) => {
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const request = new Request('http://localhost' + incoming.url, {
      method: incoming.method, headers: incoming.headers, body: Buffer.concat(chunks),
    });
    const response = await routes[incoming.url](request);
    outgoing.writeHead(response.status);
    outgoing.end(await response.text());
  })
  .listen(0, '127.0.0.1', function () { log(this.address().port); });
