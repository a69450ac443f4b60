import { connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { openStatus, type Status } from '#central/status/status.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { edgeView, FakeFleet, fakeLanding } from './fakes.ts';

/** What only a socket shows. */

let status: Status | undefined;
afterEach(async () => status?.close());

const open = async (listen = '127.0.0.1:0', fleet = new FakeFleet(), maxEventClients = 2) => {
  const landing = fakeLanding();
  const given = { landing, fleet, clock: systemClock, log: silentLog, version: '0.1.0' };
  status = await openStatus({ ...given, listen, linkUrl: null, maxEventClients });
  return status;
};

test('an address that others can reach is refused, and so is one that is taken', async () => {
  await expect(open('0.0.0.0:0')).rejects.toThrow(/status\.listen = "0\.0\.0\.0:0".*ssh -L/);
  await expect(open('[::]:0')).rejects.toThrow(/status\.listen/);
  const first = await open();
  const taken = first.url.replace('http://', '');
  await expect(open(taken)).rejects.toThrow(`status.listen = "${taken}"`);
  await first.close();
});

test('it answers on the address it tells', async () => {
  const fleet = new FakeFleet();
  fleet.views = [edgeView('factory-a')];
  const { url } = await open('127.0.0.1:0', fleet);
  const response = await fetch(`${url}/api/v1/edges`);
  expect(JSON.parse(await response.text()).edges).toHaveLength(1);
});

test('a listener that hangs up frees its place', async () => {
  const { url } = await open();
  for (let n = 0; n < 6; n++) {
    const gone = new AbortController();
    const response = await untilTaken(`${url}/api/v1/events`, gone.signal);
    const reader = response.body!.getReader();
    expect(Buffer.from((await reader.read()).value!).toString()).toContain('retry: 2000');
    gone.abort();
  }
});

async function untilTaken(url: string, signal: AbortSignal): Promise<Response> {
  for (;;) {
    const response = await fetch(url, { signal });
    if (response.status === 200) return response;
    await response.body?.cancel();
  }
}

test('closing ends listeners instead of waiting for them', async () => {
  const { url, close } = await open();
  const response = await fetch(`${url}/api/v1/events`);
  const before = performance.now();
  await close();
  expect(performance.now() - before).toBeLessThan(1_500);
  await response.text();
});

test('nonsense on the socket is an answer or a closed socket, never a crash', async () => {
  const { url } = await open();
  const port = Number(new URL(url).port);
  const say = (text: string) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (data) => {
      answer += data;
    });
    socket.on('error', () => {});
    socket.end(text);
    return new Promise<string>((resolve) => socket.on('close', () => resolve(answer)));
  };
  const head = 'HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n';
  expect(await say(`GET /../../etc/passwd ${head}\r\n`)).toMatch(/^HTTP\/1.1 404/);
  expect(await say(`GET /api/v1/edges/%ff ${head}\r\n`)).toMatch(/^HTTP\/1.1 400/);
  expect(await say('GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n')).toMatch(
    /^HTTP\/1.1 421/,
  );
  expect(await say('GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n')).toMatch(
    /^HTTP\/1.1 [24]/,
  );
  expect(await say('GET / HTTP/1.1\r\n\r\n')).toMatch(/^HTTP\/1.1 400/);
  expect(await say(`GET / ${head}X: ${'x'.repeat(100_000)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431|^$/);
  expect(await say('\0\0\0\r\n\r\n')).toMatch(/^HTTP\/1.1 400/);
  expect((await fetch(`${url}/livez`)).status).toBe(200);
});
