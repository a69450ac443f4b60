import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { runEdge } from '#edge/cli.ts';
import type { Finding } from '#edge/cli-doctor.ts';
import type { AgentStatus } from '#edge/cli-status.ts';
import { loadEdgeConfig } from '#edge/config.ts';
import { checkClock } from '#edge/doctor-clock.ts';
import { systemClock } from '#shared/std/clock.ts';
import { capturedIo } from '../shared/std/captured-io.ts';

let folder: string;
const servers: Server[] = [];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'edge-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((done) => server.close(done));
});

/** Answers paths with bodies; 404 with an error body where there is none. */
async function answering(answers: { [path: string]: unknown }, headers = {}): Promise<string> {
  const server = createServer((request, response) => {
    const answer = answers[request.url!];
    const body = answer ?? { error: { code: 'not-found', message: 'there is no such path' } };
    response.writeHead(answer === undefined ? 404 : 200, {
      'content-type': 'application/json',
      ...headers,
    });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function run(...argv: string[]) {
  const io = capturedIo();
  const code = await runEdge(argv, io);
  return { code, output: io.output(), errors: io.errors() };
}

function settings(toml: string): string {
  const file = join(folder, 'edge.toml');
  writeFileSync(file, toml);
  return file;
}

const agentStatus: AgentStatus = {
  alias: 'factory-a',
  version: '0.1.0',
  uptimeSeconds: 75,
  central: {
    url: 'http://127.0.0.1:8443',
    state: 'waiting',
    lastAckAt: null,
    lastError: 'connect ECONNREFUSED\x1b[2J',
    failingSince: '2026-01-31T07:00:00.000Z',
    nextAttemptAt: '2026-01-31T08:00:00.000Z',
    held: ['images/0: the topic takes smaller batches only'],
    sentBytes: 0,
  },
  buffer: {
    usedBytes: 2048,
    maxBytes: 2 ** 30,
    whenFull: 'block',
    blocked: true,
    backlogRecords: 12,
    backlogBytes: 900,
    oldestSeconds: 61,
    quarantined: 0,
  },
  counts: { accepted: 15, acknowledged: 2, backlog: 12, lost: 1 },
  sources: [{ name: 'host', state: 'running', detail: 'reads', acceptedRecords: 15 }],
  streams: [
    {
      epoch: 'a'.repeat(32),
      topic: 'host-metrics',
      partition: 0,
      head: 14,
      cursor: 1,
      backlogRecords: 12,
      backlogBytes: 900,
      oldestSeconds: 61,
      lostRecords: 1,
    },
  ],
  streamsOmitted: true,
  losses: [
    {
      topic: 'host-metrics',
      partition: 0,
      first: 2,
      records: 1,
      bytes: 70,
      reason: 'evicted',
      detail: 'buffer.max_bytes',
      declaredAt: '2026-01-31T08:00:00.000Z',
      landed: false,
    },
  ],
};

test('status shows what the running agent says', async () => {
  const url = await answering({ '/api/v1/status': agentStatus });
  const { code, output } = await run('status', '--url', url);
  expect(code).toBe(0);
  expect(output).toContain('factory-a: agent 0.1.0, up 1m 15s');
  expect(output).toContain('http://127.0.0.1:8443: waiting, last acknowledgement never, connect');
  expect(output).not.toContain('\x1b');
  expect(output).toContain('FULL: sources wait for room, oldest record 1m 1s old');
  expect(output).toContain('accepted 15 = acknowledged 2 + backlog 12 + lost 1');
  expect(output).toMatch(/host-metrics +0 +aaaaaaaa +14 +1 +12 +900 B +1m 1s +1/);
  expect(output).toContain('… and more');
  expect(output).toContain('failing since 2026-01-31T07:00:00.000Z');
  const json = await run('status', '--json', '--url', url);
  expect(JSON.parse(json.output)).toEqual(agentStatus);
});

test('a disk that takes nothing is said by status itself', async () => {
  const store = { ok: false, message: 'database or disk is full' };
  const health = { status: 'failing', version: '0.1.0', checks: { store } };
  const failing = await answering({ '/api/v1/status': agentStatus, '/healthz': health });
  const words = 'NOTHING CAN BE ACCEPTED: database or disk is full';
  expect((await run('status', '--url', failing)).output).toContain(words);
  const well = { status: 'ok', version: '0.1.0', checks: { store: { ...store, ok: true } } };
  const url = await answering({ '/api/v1/status': agentStatus, '/healthz': well });
  expect((await run('status', '--url', url)).output).not.toContain('NOTHING');
});

test('a link over which nothing lands is said to be one, and is not waited for in vain', async () => {
  const central = { ...agentStatus.central, state: 'not-landing', lastError: 'the disk is full' };
  const url = await answering({ '/api/v1/status': { ...agentStatus, central } });
  const { code, output } = await run('status', '--connected', '0s', '--url', url);
  expect(code).toBe(1);
  expect(output).toContain(
    ':8443: connected, but central cannot land what it is sent, last acknowledgement never, ' +
      'the disk is full, failing since 2026-01-31T07:00:00.000Z',
  );
});

test('the buffer is asked of the agent while one runs', async () => {
  const url = await answering({
    '/livez': {},
    '/api/v1/status': agentStatus,
    '/api/v1/status?streams=10000': agentStatus,
  });
  expect((await run('buffer', 'list', '--url', url)).output).toMatch(/^2\.0 KiB of 1\.0 GiB used/);
  expect((await run('buffer', '--url', url)).output).toContain('host-metrics');
  expect((await run('buffer', 'losses', '--url', url)).output).toMatch(
    /host-metrics\/0 +2 +1 +70 B +evicted +not yet +buffer\.max_bytes/,
  );
});

test('a buffer that is not there is told by its setting', async () => {
  const file = settings(
    `alias = "a"\nbuffer.path = "${folder}/none.db"\nstatus.listen = "127.0.0.1:9"`,
  );
  for (const what of ['list', 'losses', 'export']) {
    const { code, errors } = await run('buffer', what, '--config', file);
    expect(code).toBe(1);
    expect(errors).toContain('none.db: there is no buffer');
  }
  expect(readdirSync(folder)).not.toContain('none.db');
});

test('an agent that does not run is told with what to do', async () => {
  const file = settings('alias = "a"\nstatus.listen = "127.0.0.1:9"');
  const { code, errors } = await run('status', '--config', file);
  expect(code).toBe(1);
  expect(errors).toMatch(/127\.0\.0\.1:9.*ECONNREFUSED.*tributary-edge run.*--url/);
  const stranger = await answering({ '/api/v1/status': 'hello' });
  const { errors: what } = await run('status', '--url', stranger);
  expect(what).toContain('is it the right program?');
});

test('check sums up what the agent would do', async () => {
  const toml = `alias = "a"
central.url = "https://central.example:8443"
[[source]]
type = "host"`;
  const { code, output, errors } = await run('check', '--config', settings(toml));
  expect({ code, errors }).toEqual({ code: 0, errors: '' });
  expect(output).toContain(
    'edge "a" takes from host, buffers up to 10.0 GiB in /var/lib/tributary-edge/buffer.db, ' +
      'sends it to https://central.example:8443',
  );
  const bare = await run('check', '--config', settings('alias = "a"'));
  expect(bare.code).toBe(0);
  expect(bare.errors.match(/^warning: /gm)).toHaveLength(2);
});

test('run does not start with settings that are wrong', async () => {
  const { code, output, errors } = await run('run', '--config', settings('alias = "a.b"'));
  expect({ code, output }).toEqual({ code: 2, output: '' });
  expect(errors).toContain('alias = "a.b": must not contain "."');
});

test('join refuses what is no token, and a central without TLS, before it asks anybody', async () => {
  expect(await run('join')).toMatchObject({ code: 2 });
  const bad = await run('join', 'x.y.z');
  expect(bad).toMatchObject({ code: 2, errors: expect.stringContaining('copy it whole') });
  const token = `${'0'.repeat(16)}.${'A'.repeat(43)}.${'A'.repeat(43)}`;
  const none = join(folder, 'none.toml');
  const nowhere = await run('join', token, '--config', none);
  expect(nowhere).toMatchObject({ code: 2, errors: expect.stringContaining('--url') });
  const plain = await run('join', token, '--config', none, '--url', 'http://127.0.0.1:1');
  expect(plain).toMatchObject({ code: 2, errors: expect.stringContaining('https://') });
  expect(plain.errors).not.toContain('AAAA');
});

async function doctor(toml: string) {
  const { code, output } = await run('doctor', '--json', '--config', settings(toml));
  const { findings } = JSON.parse(output) as { findings: Finding[] };
  const of = (check: string) => findings.filter((one) => one.check === check);
  return { code, findings, of };
}

test('doctor finds a gateway well, and leaves nothing behind', async () => {
  const central = await answering({});
  const before = readdirSync(folder).sort();
  const { code, findings } = await doctor(
    `alias = "a"
central.url = "${central}"
buffer.path = "${folder}/deep/er/buffer.db"
status.listen = "127.0.0.1:0"
[[source]]
type = "mqtt"
url = "${central.replace('http', 'mqtt')}"
subscribe = [{ filter = "#", topic = "t" }]
`,
  );
  expect(findings.filter(({ level }) => level === 'fail')).toEqual([]);
  expect(code).toBe(0);
  const checks = findings.map(({ check }) => check);
  for (const check of ['settings', 'disk', 'fsync', 'clock', 'agent', 'central', 'status.listen']) {
    expect(checks).toContain(check);
  }
  expect(readdirSync(folder).sort()).toEqual(before.includes('edge.toml') ? before : ['edge.toml']);
});

test('doctor names what is ill and what helps', async () => {
  const stranger = await answering({ '/link/v1/hello': 'hello' });
  const taken = new URL(stranger).host;
  const { code, of } = await doctor(
    `alias = "a"
central.url = ["http://127.0.0.1:7", "${stranger}"]
buffer.path = "/proc/buffer.db"
status.listen = "127.0.0.1:9"
[[source]]
type = "mqtt"
url = "mqtt://127.0.0.1:9"
subscribe = [{ filter = "#", topic = "t" }]
[[source]]
type = "http"
listen = "${taken}"
`,
  );
  expect(code).toBe(1);
  expect(of('agent')).toMatchObject([{ level: 'warn', advice: expect.stringContaining('start') }]);
  expect(of('central').map(({ message }) => message)).toEqual([
    expect.stringContaining('ECONNREFUSED'),
    expect.stringContaining('not like Tributary'),
  ]);
  expect(of('fsync')).toMatchObject([{ level: 'fail', message: expect.stringContaining('/proc') }]);
  expect(of(`source http:${taken}`)).toMatchObject([
    { level: 'fail', message: expect.stringContaining('EADDRINUSE') },
  ]);
  expect(of('source mqtt:127.0.0.1:9')).toMatchObject([{ level: 'fail' }]);
});

test('doctor notices a clock that nobody set, and one that differs from that of central', async () => {
  const past = { ...systemClock, now: () => Date.UTC(1970, 0, 2) };
  expect(checkClock(past)).toMatchObject({ level: 'fail' });
  const central = await answering({}, { date: 'Thu, 01 Jan 2026 00:00:00 GMT' });
  const { of } = await doctor(`alias = "a"\ncentral.url = "${central}"\nstatus.listen = "[::1]:0"`);
  expect(of('clock')).toContainEqual(
    expect.objectContaining({
      level: 'warn',
      message: expect.stringContaining("ahead of central's"),
    }),
  );
});

test('doctor begins with the settings, and ends with them where they are wrong', async () => {
  const { code, findings } = await doctor('alias = "a"\n[bufer]');
  expect(code).toBe(1);
  expect(findings).toHaveLength(1);
  expect(findings[0]).toMatchObject({ check: 'settings', level: 'fail' });
  const { output } = await run('doctor', '--config', settings('x = 1'));
  expect(output).toMatch(/^fail +settings +/);
  expect(output).toContain('→ correct the settings');
  expect(output).toContain('or name another file with --config');
});

/** Commands on the file itself, while no agent runs. */
const offline = () =>
  settings(`alias = "a"
buffer.path = "${folder}/offline/b.db"
status.listen = "127.0.0.1:9"`);

async function send(input: string, ...argv: string[]) {
  const io = capturedIo({ input });
  const code = await runEdge(['send', ...argv, '--config', offline()], io);
  return { code, output: io.output(), errors: io.errors() };
}

test('without an agent, what is sent goes into the buffer itself, is listed and exported', async () => {
  const json = await send('{"v":1}\n{"key":"k","value":"x"}\n', '-t', 'data', '--ndjson', '--json');
  expect(json).toMatchObject({ code: 0, errors: expect.stringContaining('no agent runs here') });
  expect(JSON.parse(json.output)).toEqual({ accepted: 2, via: 'buffer' });
  await send('\xff', '-t', 'other', '--key', 'all');

  const list = await run('buffer', 'list', '--json', '--config', offline());
  expect(JSON.parse(list.output).streams).toEqual([
    expect.objectContaining({ topic: 'data', head: 1, cursor: -1, backlogRecords: 2 }),
    expect.objectContaining({ topic: 'other', head: 0, backlogRecords: 1 }),
  ]);
  const losses = await run('buffer', 'losses', '--config', offline());
  expect(losses.output).toBe('No losses.\n');

  const { output } = await run('buffer', 'export', '--config', offline());
  const records = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(records).toEqual([
    expect.objectContaining({
      topic: 'data',
      sequence: 0,
      key: null,
      value: '{"v":1}',
      headers: [],
    }),
    expect.objectContaining({ topic: 'data', sequence: 1, key: 'k', value: 'x' }),
    expect.objectContaining({ topic: 'other', sequence: 0, key: 'all', value: 'ÿ' }),
  ]);
  const one = await run('buffer', 'export', '--topic', 'other', '--config', offline());
  expect(one.output.trim().split('\n')).toHaveLength(1);
  // Exporting takes nothing away.
  expect((await run('buffer', 'export', '--config', offline())).output).toBe(output);
});

test('a buffer that an agent holds is listed and exported, but not written by another', async () => {
  const { openInlineBuffer } = await import('#edge/buffer/inline.ts');
  await send('x', '-t', 'data');
  const { buffer } = loadEdgeConfig({ file: offline(), env: {} });
  const held = await openInlineBuffer(buffer, { clock: systemClock });
  const exported = await run('buffer', 'export', '--config', offline());
  const listed = await run('buffer', 'list', '--config', offline());
  const written = await send('y', '-t', 'data');
  await held.close();
  expect(exported).toMatchObject({ code: 0, output: expect.stringContaining('"value":"x"') });
  expect(listed.output).toContain('data');
  expect(written.code).toBe(1);
  expect(written.errors).toMatch(/buffer\.path .* is in use by another/);
});
