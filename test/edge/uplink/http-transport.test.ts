import http from 'node:http';
import type { AddressInfo } from 'node:net';
import net from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { HttpTransport } from '#edge/uplink/http-transport.ts';
import { TransportError } from '#edge/uplink/transport.ts';

const open: { close(): void }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

async function listen(server: net.Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(server);
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function transport(): HttpTransport {
  const made = new HttpTransport();
  open.push(made);
  return made;
}

const request = (url: string, timeoutMs = 5000) => ({
  url,
  path: '/link/v1/segments',
  headers: { 'content-type': 'text/plain' },
  body: Buffer.from('hello'),
  timeoutMs,
});

test('body, headers and status arrive, for refusals too', async () => {
  const url = await listen(
    http.createServer((incoming, answer) => {
      const parts: Buffer[] = [];
      incoming.on('data', (part) => parts.push(part));
      incoming.on('end', () => {
        answer.writeHead(503, { 'retry-after': '7' });
        answer.end(`${incoming.url} ${Buffer.concat(parts)}`);
      });
    }),
  );
  const response = await transport().post(request(url));
  expect(response.status).toBe(503);
  expect(response.headers['retry-after']).toBe('7');
  expect(Buffer.from(response.body).toString()).toBe('/link/v1/segments hello');
});

test('a link that is only half open is given up in time', async () => {
  const sockets: net.Socket[] = [];
  const url = await listen(net.createServer((socket) => sockets.push(socket)));
  await expect(transport().post(request(url, 50))).rejects.toThrow(/no answer .* within 50 ms/);
  for (const socket of sockets) socket.destroy();
});

test('an answer that never ends is given up in time', async () => {
  const url = await listen(
    http.createServer((_, answer) => {
      answer.write('partial');
    }),
  );
  await expect(transport().post(request(url, 100))).rejects.toBeInstanceOf(TransportError);
});

test('nobody listening is an error that names the address', async () => {
  const server = net.createServer();
  const url = await listen(server);
  server.close();
  await expect(transport().post(request(url))).rejects.toThrow(url);
});

test('an answer beyond all reason is cut off', async () => {
  const url = await listen(
    http.createServer((_, answer) => {
      const part = Buffer.alloc(1 << 20);
      const more = () => {
        while (answer.write(part));
        answer.once('drain', more);
      };
      answer.on('error', () => {});
      more();
    }),
  );
  await expect(transport().post(request(url))).rejects.toThrow(/too large/);
});
