import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { type HttpServer, type HttpServerOptions, listenHttp } from '#shared/std/http-server.ts';

const open: HttpServer[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close(0);
});

async function listen(options: Partial<HttpServerOptions>): Promise<HttpServer> {
  const server = await listenHttp({
    listen: '127.0.0.1:0',
    setting: 'status.listen',
    listener: (_request, response) => response.end('hello'),
    ...options,
  });
  open.push(server);
  return server;
}

/** Sends raw bytes and gives what came back until the server closed the connection. */
const raw = (port: number, text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.on('data', (chunk) => {
      answer += chunk.toString();
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });

test('port 0 picks a free port and the address comes back', async () => {
  const server = await listen({});
  expect(server.port).toBeGreaterThan(0);
  expect(server.url).toBe(`http://127.0.0.1:${server.port}`);
  expect(await (await fetch(server.url)).text()).toBe('hello');
});

test('a taken port is an error that names the setting, the value and what to do', async () => {
  const { port } = await listen({});
  await expect(listen({ listen: `127.0.0.1:${port}` })).rejects.toThrow(
    `status.listen = "127.0.0.1:${port}": another program listens there already; stop it, or`,
  );
});

test('an address that this machine does not have is an error that says so', async () => {
  await expect(listen({ listen: '192.0.2.1:0' })).rejects.toThrow('no such address');
});

test('closing finishes what is in flight and then frees the port, keep-alive or not', async () => {
  const started = Promise.withResolvers<ServerResponse>();
  const server = await listen({ listener: (_request, response) => started.resolve(response) });
  const answer = fetch(server.url);
  const response = await started.promise;
  const closed = server.close(10_000);
  await expect(fetch(server.url)).rejects.toThrow();
  response.end('finished');
  expect(await (await answer).text()).toBe('finished');
  await closed;
  await listen({ listen: `127.0.0.1:${server.port}` });
});

test('a connection that was kept alive does not hold the close up', {
  timeout: 3_000,
}, async () => {
  // Longer than Node keeps an idle connection would be the test's timeout.
  const started = Promise.withResolvers<ServerResponse>();
  const server = await listen({
    listener: (_request, response) => {
      response.flushHeaders();
      started.resolve(response);
    },
  });
  const answer = fetch(server.url);
  const response = await started.promise;
  const closed = server.close(10_000);
  response.end('finished');
  expect(await (await answer).text()).toBe('finished');
  await closed;
});

test('an answer given while closing says that the connection ends', async () => {
  const started = Promise.withResolvers<ServerResponse>();
  const server = await listen({ listener: (_request, response) => started.resolve(response) });
  const answer = raw(server.port, 'GET / HTTP/1.1\r\nhost: a\r\nconnection: keep-alive\r\n\r\n');
  const response = await started.promise;
  const closed = server.close(10_000);
  response.end('finished');
  expect((await answer).toLowerCase()).toContain('connection: close');
  await closed;
});

test('closing does not wait longer than its deadline for a request that hangs', async () => {
  const started = Promise.withResolvers<void>();
  const server = await listen({ listener: () => started.resolve() });
  const answer = fetch(server.url).catch((error: Error) => error);
  await started.promise;
  await server.close(20);
  expect(await answer).toBeInstanceOf(Error);
});

test('a request whose headers or body trickle in is cut off with 408', async () => {
  const refused: string[] = [];
  const server = await listen({
    headersTimeoutMs: 100,
    requestTimeoutMs: 150,
    onRefused: (code, address) => refused.push(`${code} ${address}`),
    listener: (request, response) => {
      request.on('error', () => {});
      request.resume().on('end', () => response.end('late'));
    },
  });
  const [headers, body] = await Promise.all([
    raw(server.port, 'POST / HTTP/1.1\r\nhost: a\r\nx-slow'),
    raw(server.port, 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc'),
  ]);
  expect(headers).toContain('408');
  expect(body).not.toContain('late');
  expect(refused).toContain('ERR_HTTP_REQUEST_TIMEOUT 127.0.0.1');
  const large = `GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`;
  expect(await raw(server.port, large)).toContain('431');
  expect(await raw(server.port, 'no words of ours\r\n\r\n')).toContain('400');
  expect(refused.map((line) => line.split(' ')[0])).toContain('HPE_HEADER_OVERFLOW');
});
