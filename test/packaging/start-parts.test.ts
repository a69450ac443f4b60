import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadCentralConfig } from '#central/config.ts';
import { loadEdgeConfig } from '#edge/config.ts';
import { systemClock } from '#shared/std/clock.ts';
import { askHttp } from '#shared/std/http-request.ts';
import { type FlakyLink, openFlakyLink, seededRandom } from '../../packaging/flaky-link.ts';
import { type Stoppable, startChild, waitWords } from '../../packaging/start-process.ts';
import { centralToml, edgeToml, portsFrom } from '../../packaging/start-settings.ts';
import { fleetLine } from '../../packaging/start-words.ts';
import { MachineClock, VirtualTime } from '../sim/virtual-clock.ts';

let folder: string;
let link: FlakyLink | undefined;
let server: Server | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'start-parts-'));
});
afterEach(async () => {
  await link?.close();
  link = undefined;
  server?.closeAllConnections();
  await new Promise((done) => (server ? server.close(done) : done(undefined)));
  server = undefined;
  rmSync(folder, { recursive: true });
});

test.each([undefined, 9000, 0])('the settings it writes are good ones, ports from %s', (base) => {
  const ports = portsFrom(base);
  const central = join(folder, 'central.toml');
  writeFileSync(central, centralToml({ ports, folder, aliases: ['factory-a'], kafka: null }));
  expect(loadCentralConfig({ file: central, env: {} }).warnings).toEqual([]);
  const used = [ports.link, ports.centralStatus];
  for (const [index, alias] of ['factory-a', 'factory-b', 'store-1'].entries()) {
    const file = join(folder, `${alias}.toml`);
    const site = ports.site(index);
    used.push(site.status, site.http, site.mqtt);
    const centralUrl = 'http://127.0.0.1:8443';
    writeFileSync(file, edgeToml({ alias, centralUrl, folder, ports: site }));
    const config = loadEdgeConfig({ file, env: {} });
    expect(config.warnings).toEqual([]);
    expect(config.sources.map(({ type }) => type)).toEqual(['host', 'mqtt', 'http']);
  }
  if (base !== 0) expect(new Set(used).size).toBe(used.length);
});

test('a line about the sites says what is known', () => {
  const lag = { records: 5, seconds: 12, atLeast: true };
  const edges = [
    { alias: 'a', state: 'offline', lag, counts: { landed: 1_000 } },
    {
      alias: 'b',
      state: 'never-seen',
      lag: { records: null, seconds: null, atLeast: true },
      counts: { landed: 0 },
    },
  ];
  expect(fleetLine(edges)).toBe(
    'a offline, ≥ 12s behind, 5 waiting, 1 000 landed | b never-seen, ? behind, 0 landed',
  );
});

test('a seed repeats its numbers', () => {
  const draw = (seed: number) => Array.from({ length: 5 }, seededRandom(seed));
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
  expect(draw(7).every((n) => n >= 0 && n < 1)).toBe(true);
});

async function world(random: () => number) {
  server = createServer((request, response) => {
    request.resume();
    response.end(`hello ${request.url}`);
  });
  await new Promise<void>((done) => server!.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const time = new VirtualTime();
  const told: string[] = [];
  link = await openFlakyLink({
    alias: 'factory-a',
    target: { host: '127.0.0.1', port },
    clock: new MachineClock(time, 0),
    random,
    tell: (words) => told.push(words),
  });
  link.begin();
  const next = async (count: number) => {
    while (told.length < count) {
      time.step(Number.MAX_SAFE_INTEGER);
      await systemClock.sleep(0);
    }
  };
  const ask = () => askHttp(`${link!.url}/x`, { timeoutMs: 300 });
  return { told, next, ask };
}

test('a link that is up carries, one that is cut refuses, one that is back carries again', async () => {
  const { told, next, ask } = await world(() => 0);
  expect((await ask()).text).toBe('hello /x');
  await next(1);
  expect(told).toEqual(['the link of factory-a is cut for 6 s']);
  await expect(ask()).rejects.toThrow(/ECONNRESET|socket hang up/);
  await next(2);
  expect(told[1]).toBe('the link of factory-a is back');
  expect((await ask()).text).toBe('hello /x');
});

test('a silent link takes connections and carries nothing', async () => {
  const { told, next, ask } = await world(() => 0.99);
  await next(1);
  expect(told[0]).toMatch(/^the link of factory-a goes silent \(looks open.* for 30 s$/);
  await expect(ask()).rejects.toThrow('nothing within 0.3 s');
  await next(2);
  expect((await ask()).text).toBe('hello /x');
});

test('a Kafka that does not answer is said while it is waited for', async () => {
  const settings = join(folder, 'central.toml');
  const kafka = ['127.0.0.1:1'];
  const names = { ports: portsFrom(0), folder, aliases: ['factory-a'] };
  writeFileSync(settings, centralToml({ ...names, kafka }));
  const said: string[] = [];
  let child: Stoppable | undefined;
  const logFile = join(folder, 'central.log');
  const onWait = (words: string) => said.push(words);
  const started = startChild(
    { name: 'central', program: 'central', settings, logFile, onWait },
    (one) => {
      child = one;
    },
  ).catch((error: Error) => error.message);
  try {
    await expect
      .poll(() => said, { timeout: 20_000 })
      .toEqual(['waiting for Kafka: 127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1']);
  } finally {
    // … and a stop is not kept waiting: it would be killed after its patience, and say so.
    await child?.stop();
    expect(await started).toBe('central ended at once');
  }
}, 30_000);

test('of a log only warnings are said, and without their stack', () => {
  const err = { message: 'no answer', stack: 'Error: no answer\n  at x' };
  expect(waitWords(JSON.stringify({ level: 40, msg: 'waiting', err }))).toBe('waiting: no answer');
  expect(waitWords(JSON.stringify({ level: 40, msg: 'old settings' }))).toBe('old settings');
  expect(waitWords(JSON.stringify({ level: 30, msg: 'central is ready' }))).toBeUndefined();
  expect(waitWords('{ cut')).toBeUndefined();
});
