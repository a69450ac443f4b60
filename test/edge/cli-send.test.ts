import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { runEdge } from '#edge/cli.ts';
import { DeliverError } from '#edge/deliver-error.ts';
import { recordsRoute } from '#edge/source/http-records.ts';
import { systemClock } from '#shared/std/clock.ts';
import { type HttpServer, listenHttp } from '#shared/std/http-server.ts';
import { type CapturedOptions, capturedIo } from '../shared/std/captured-io.ts';
import { RecordingContext } from './source/recording-context.ts';

let folder: string;
let server: HttpServer | undefined;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'edge-send-'));
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(async () => {
  await server?.close(1_000);
  server = undefined;
});

/** An agent that takes records; `before` may answer in its place. */
async function agent(
  context: RecordingContext,
  before: () => Response | undefined = () => undefined,
) {
  const app = new Hono<{ Bindings: undefined }>();
  app.use('/v1/*', async (_c, next) => before() ?? next());
  app.get('/livez', (c) => c.json({ status: 'ok' }));
  app.route('/', recordsRoute(context, { clock: systemClock }) as unknown as typeof app);
  const answer = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const listener: Parameters<typeof listenHttp>[0]['listener'] = (i, o) => void answer(i, o);
  server = await listenHttp({ listen: '127.0.0.1:0', setting: 'x', listener });
  return server.url;
}

async function send(options: CapturedOptions, ...argv: string[]) {
  const io = capturedIo(options);
  const code = await runEdge(['send', ...argv], io);
  return { code, output: io.output(), errors: io.errors() };
}

test('lines become records, counted once they are durable', async () => {
  const context = new RecordingContext();
  const url = await agent(context);
  const told = await send({ input: 'a\nb\n' }, '--topic', 't', '--url', url);
  expect(told).toEqual({ code: 0, output: 'accepted 2\n', errors: '' });
  expect(context.texts).toEqual([
    [undefined, 'a'],
    [undefined, 'b'],
  ]);
  const json = await send({ input: 'c' }, '-t', 't', '--url', url, '--json', '--key', 'k ü');
  expect(JSON.parse(json.output)).toEqual({ accepted: 1, via: 'agent' });
  expect(context.texts.at(-1)).toEqual(['k ü', 'c']);
  expect(context.deliveries.map(({ topic }) => topic)).toEqual(['t', 't']);
});

test('a repeat of a request that was kept makes no duplicate', async () => {
  const context = new RecordingContext();
  const keys = new Set<string | undefined>();
  const deliver = context.deliver.bind(context);
  let fails = 2;
  context.deliver = async (delivery) => {
    keys.add(delivery.idempotencyKey);
    const answer = await deliver(delivery);
    // Kept, but the answer never arrives.
    if (fails-- > 0) throw new DeliverError('io', 'the disk was slow');
    return answer;
  };
  const clock = { ...systemClock, sleep: async () => {} };
  const url = await agent(context);
  const { output } = await send({ input: 'a\nb\n', clock }, '-t', 't', '--url', url);
  expect(output).toBe('accepted 2\n');
  expect(context.records).toHaveLength(2);
  expect(keys.size).toBe(1);
});

test('a full buffer is waited for as long as it asks', async () => {
  let refusals = 1;
  const url = await agent(new RecordingContext(), () => {
    if (refusals-- <= 0) return undefined;
    const error = { code: 'buffer-full', message: 'the buffer is full' };
    return Response.json({ error }, { status: 429, headers: { 'retry-after': '1' } });
  });
  const startedAt = performance.now();
  expect((await send({ input: 'a' }, '-t', 't', '--url', url)).output).toBe('accepted 1\n');
  expect(performance.now() - startedAt).toBeGreaterThan(950);
});

test('what is refused for good ends it, and says where to go on', async () => {
  const context = new RecordingContext();
  const url = await agent(context);
  const input = `${'{"value":1}\n'.repeat(10_000)}{"value":2,"timestamp":"never"}\n`;
  const { code, errors, output } = await send({ input }, '-t', 't', '--ndjson', '--url', url);
  expect(code).toBe(1);
  expect(errors).toContain('line 10001 and on: records[0]');
  expect(errors).toContain('accepted 10000; go on with line 10001');
  expect(output).toBe('');
  expect(context.records).toHaveLength(10_000);
});

test('input that is wrong ends it after what came before', async () => {
  const url = await agent(new RecordingContext());
  const input = new PassThrough();
  input.end('{}\nnot json\n');
  const { code, errors } = await send({ input }, '-t', 't', '--ndjson', '--url', url);
  expect(code).toBe(1);
  expect(errors).toContain('line 2 is not JSON');
});

test('a signal ends it after the request under way, with what was accepted', async () => {
  const context = new RecordingContext();
  const url = await agent(context);
  const input = new PassThrough();
  const io = capturedIo({ input });
  const code = runEdge(['send', '-t', 't', '--url', url], io);
  input.write('a\nb\nunfinished');
  await expect.poll(() => context.records.length).toBe(2);
  io.signal('SIGINT');
  expect(await code).toBe(1);
  expect(io.output()).toBe('accepted 2\n');
  expect(io.errors()).toBe('stopped; go on with line 3\n');
});

test('a terminal is shown how far it is', async () => {
  const url = await agent(new RecordingContext());
  const told = await send({ input: 'a\nb\n', isTerminal: true }, '-t', 't', '--url', url);
  expect(told.errors).toMatch(/\r\[#{20}\] 100 % {2}2 records {2}[\d ]+\/s *\n$/);
});

test.each([
  [['--url', 'http://127.0.0.1:9'], '--topic is missing'],
  [['-t', 'a b'], '--topic a b: may hold'],
  [['-t', 'heartbeats'], '--topic heartbeats: is reserved'],
  [['-t', 'a', '--key-field', 'x'], '--key-field needs --ndjson'],
  [['-t', 'a', '--ndjson', '--key-field', 'x', '--key', 'y'], 'keep one of them'],
])('%j is a usage error', async (argv, message) => {
  expect(await send({}, ...argv)).toMatchObject({
    code: 2,
    errors: expect.stringContaining(message),
  });
});

test('an address where no agent answers is told, with what to do', async () => {
  const { code, errors } = await send({}, '-t', 't', '--url', 'http://127.0.0.1:9/');
  expect(code).toBe(1);
  expect(errors).toContain(
    'http://127.0.0.1:9/livez does not answer (ECONNREFUSED); start it with',
  );
  const nonsense = await send({}, '-t', 't', '--url', 'somewhere');
  expect(nonsense.errors).toContain('not an http:// or https:// address');
});

test('where nobody can know the address of the agent it says what is missing', async () => {
  const file = join(folder, 'edge.toml');
  writeFileSync(file, 'status.listen = "127.0.0.1:0"');
  expect(await send({}, '-t', 't', '--config', file)).toMatchObject({
    code: 2,
    errors: expect.stringContaining('name the address with --url'),
  });
});
