import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { runCentral } from '#central/cli.ts';
import type { LandedRecord, TopicRow } from '#central/landing/landing.ts';
import { openStatus, type Status } from '#central/status/status.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { capturedIo } from '../shared/std/captured-io.ts';
import {
  edgeView,
  epochMs,
  FakeFleet,
  fakeLanding,
  fakeMirror,
  flowView,
  landed,
  partitionOf,
  streamView,
  unseenView,
} from './status/fakes.ts';

let folder: string;
let status: Status | undefined;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'central-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(async () => {
  await status?.close();
  status = undefined;
});

async function central(fleet = new FakeFleet(), over: Parameters<typeof fakeLanding>[0] = {}) {
  const parts = { clock: systemClock, log: silentLog, version: '0.1.0', linkUrl: null };
  const landing = fakeLanding(over);
  const mirror = landing.kind === 'kafka' ? fakeMirror : undefined;
  status = await openStatus({ listen: '127.0.0.1:0', landing, mirror, fleet, ...parts });
  return ['--url', status.url];
}

async function run(...argv: string[]) {
  const io = capturedIo();
  const code = await runCentral(argv, io);
  return { code, output: io.output(), errors: io.errors() };
}

function settings(toml: string): string {
  const file = join(folder, 'central.toml');
  writeFileSync(file, toml);
  return file;
}

test('status and edges show the sites as they are', async () => {
  const fleet = new FakeFleet();
  const lag = { records: 1_234, bytes: 9, seconds: 75, atLeast: true, asOf: epochMs };
  fleet.views = [
    edgeView('factory-a'),
    edgeView('store-1', { state: 'offline', lag, alarms: ['fork: a copy of its buffer'] }),
    unseenView('store-2'),
  ];
  const url = await central(fleet);
  const { code, output } = await run('status', ...url);
  expect(code).toBe(0);
  expect(output).toMatch(/^central 0\.1\.0 at http:.*embedded landing 1000 B of 2\.0 KiB/);
  expect(output).toMatch(/factory-a +live +1\.5s +12 /);
  expect(output).toMatch(/store-1 +offline +≥ 1m 15s +1 234 .*! fork: a copy of its buffer/);
  expect(output).toMatch(/store-2 +never-seen +\? +\? /);
  expect((await run('edges', ...url)).output).toContain('store-1');
  const json = JSON.parse((await run('edges', 'list', '--json', ...url)).output);
  expect(json.edges).toHaveLength(3);
});

test('a site is shown with its equation, sources and streams', async () => {
  const fleet = new FakeFleet();
  fleet.views = [edgeView('factory-a')];
  const { output } = await run('edges', 'show', 'factory-a', ...(await central(fleet)));
  expect(output).toContain('accepted 1 012 = landed 1 000 + backlog 12 + lost 0');
  expect(output).toContain('source mqtt:localhost:1883: running, subscribed to sensors/#');
  expect(output).toMatch(/sensor-data +0 +aaaaaaaa +999 +12 +1 000 +0/);
});

test('a person may adopt, disable, enable and remove a site', async () => {
  const fleet = new FakeFleet();
  fleet.views = [edgeView('factory-a')];
  const url = await central(fleet);
  for (const action of ['adopt', 'disable', 'enable', 'remove']) {
    const { code, output } = await run('edges', action, 'factory-a', ...url);
    expect(code).toBe(0);
    expect(output).toMatch(/^factory-a .*\.\n$/);
  }
  expect(fleet.asked).toEqual([
    'adopt factory-a',
    'disable factory-a',
    'enable factory-a',
    'remove factory-a',
  ]);
  const unknown = await run('edges', 'adopt', 'nobody', ...url);
  expect(unknown).toMatchObject({ code: 1, errors: expect.stringContaining('no site "nobody"') });
  const wrong = await run('edges', 'adopt', 'a.b', ...url);
  expect(wrong).toMatchObject({ code: 2, errors: expect.stringContaining('ALIAS "a.b" must not') });
});

test('flows, losses and topics are listed', async () => {
  const fleet = new FakeFleet();
  const empty = await central(fleet);
  expect((await run('flows', ...empty)).output).toContain('No flows');
  expect((await run('losses', ...empty)).output).toBe('No losses.\n');
  expect((await run('topics', ...empty)).output).toContain('Nothing has landed');
  await status?.close();
  fleet.flowViews = [flowView('sensor-data')];
  const url = await central(fleet, {
    topics: async () => [
      {
        topic: 'sensor-data',
        kind: 'merged',
        partitions: [{ partition: 0, startOffset: 0, endOffset: 9 }],
        records: 9,
      },
    ],
    losses: async () => [
      {
        ...{ alias: 'factory-a', epoch: 'a'.repeat(32), topic: 't', partition: 0, first: 5 },
        ...{ span: 2, records: 2, scope: 'stream', bytes: 3_000, from: null, to: null },
        ...{ reason: 'evicted', detail: 'buffer.max_bytes', landedAt: epochMs },
      },
    ],
  });
  expect((await run('flows', ...url)).output).toMatch(
    /sensor-data +1 000 +40\.5 .*factory-a +\*\.sensor-data/,
  );
  expect((await run('topics', ...url)).output).toMatch(/sensor-data +merged +1 +9/);
  expect((await run('losses', '--alias', 'factory-a', ...url)).output).toMatch(
    /factory-a +t\/0 +5 +2 +2\.9 KiB +evicted +buffer\.max_bytes/,
  );
  const bad = await run('losses', '--since', 'yesterday', ...url);
  expect(bad).toMatchObject({ code: 1, errors: expect.stringContaining('is no time') });
});

test('records show the newest first asked for, bytes and all', async () => {
  const over: Partial<LandedRecord>[] = [{}, { key: null, value: Buffer.from([0xff]) }, {}];
  const all = over.map((one, index) => landed(index, one));
  const url = await central(new FakeFleet(), {
    records: partitionOf('sensor-data', all),
    topics: async () => [
      {
        topic: 'sensor-data',
        kind: 'merged',
        partitions: [{ partition: 0, startOffset: 0, endOffset: 3 }],
        records: 3,
      },
    ],
  });
  const { output } = await run('records', 'sensor-data', '--limit', '2', ...url);
  expect(output).toBe(
    '1\t2026-01-31T08:00:00.000Z\t-\t/w==\n2\t2026-01-31T08:00:00.000Z\tpress-1\t{"celsius":21.5}\n',
  );
  const first = await run(
    'records',
    'sensor-data',
    '--offset',
    '0',
    '--limit',
    '1',
    '--json',
    ...url,
  );
  expect(JSON.parse(first.output)).toMatchObject({ offset: 0, key: 'press-1' });
  expect(await run('records', 'other', ...url)).toMatchObject({
    code: 1,
    errors: /no partition 0/,
  });
  expect((await run('records', 'a b', ...url)).code).toBe(2);
  expect((await run('records', 'sensor-data', '--limit', '0', ...url)).code).toBe(2);
});

test('records of a Kafka are as many as asked for, though its markers have offsets, too', async () => {
  const all = [0, 2, 4, 6, 8].map((offset) => landed(offset, {}));
  const url = await central(new FakeFleet(), {
    records: async (_topic, _partition, offset, limit) => ({
      records: all.filter((one) => one.offset >= offset && one.offset < offset + limit),
      next: null,
    }),
    topics: async () => [
      {
        ...{ topic: 'sensor-data', kind: 'merged', records: 10 },
        partitions: [{ partition: 0, startOffset: 0, endOffset: 10 }],
      },
    ],
  });
  const offsets = async (limit: string) => {
    const { output } = await run('records', 'sensor-data', '--limit', limit, '--json', ...url);
    return output
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line).offset);
  };
  expect(await offsets('3')).toEqual([4, 6, 8]);
  expect(await offsets('1')).toEqual([8]);
  expect(await offsets('20')).toEqual([0, 2, 4, 6, 8]);
  const behind = await run('records', 'sensor-data', '--offset', '10', ...url);
  expect(behind).toEqual({
    code: 0,
    output: '',
    errors: 'There is no record from this offset on.\n',
  });
});

test('an alias that is mistyped is told, not answered with nothing', async () => {
  const fleet = new FakeFleet();
  fleet.views = [edgeView('factory-a')];
  const url = await central(fleet, { kind: 'kafka' });
  const told = { code: 1, output: '', errors: expect.stringContaining('no site "factory-x"') };
  for (const command of ['losses', 'audit']) {
    expect(await run(command, '--alias', 'factory-x', ...url)).toEqual(told);
  }
  expect(await run('losses', '--alias', 'factory-a', ...url)).toMatchObject({ code: 0 });
  const missing = await run('translate', ...url);
  expect(missing).toMatchObject({ code: 2, errors: expect.stringContaining('--alias is missing') });
  const group = await run('translate', '--alias', 'factory-a', '--group', 'nobody', ...url);
  expect(group.output).toContain('factory-a told of no group "nobody"');
  expect(await run('translate', '--alias', 'factory-x', '--group', 'nobody', ...url)).toEqual(told);
});

test('a central that does not run is told with what to do', async () => {
  const file = settings('status.listen = "127.0.0.1:1"');
  const { code, errors } = await run('status', '--config', file);
  expect(code).toBe(1);
  expect(errors).toContain('http://127.0.0.1:1/api/v1/central does not answer (ECONNREFUSED)');
  expect(errors).toContain('tributary-central run');
  const any = await run('status', '--config', settings('status.listen = "127.0.0.1:0"'));
  expect(any).toMatchObject({ code: 2, errors: expect.stringContaining('--url') });
});

test('check tells what it read, or everything that is wrong', async () => {
  const good = await run('check', '--config', settings('[[flow]]\ninto = "a"\nfrom = "*.a"'));
  expect(good).toMatchObject({ code: 0, errors: '' });
  expect(good.output).toMatch(/^ok: .*central\.toml\ncentral "central" .* merges 1 topic\n$/);
  const bad = settings('alais = "x"\nlink = { listen = "0.0.0.0:1", tls = "off" }');
  const { code, errors, output } = await run('check', '--config', bad);
  expect(code).toBe(2);
  expect(output).toBe('');
  expect(errors).toMatch(/:1: alais = .*did you mean "alias"/);
  expect(errors).toMatch(/:2: link\.tls .*\n2 problems in the settings\.\n$/s);
  const json = await run('check', '--json', '--config', bad);
  expect(json.code).toBe(2);
  expect(JSON.parse(json.output).problems[0]).toMatchObject({ line: 1, key: 'alais' });
});

test('check explains the settings', async () => {
  expect((await run('check', '--print-defaults')).output).toContain('# retention = "7d"');
  const one = await run('check', 'retention', '--explain');
  expect(one.output).toMatch(/landing\[embedded\]\.retention +default "7d"/);
  expect(one.output).not.toContain('heartbeat');
  expect((await run('check', 'nothing', '--explain')).code).toBe(1);
  const json = JSON.parse((await run('check', '--explain', '--json')).output);
  expect(json.settings.length).toBeGreaterThan(10);
});

test("a site's groups are translated, and put where they go on", async () => {
  const url = await central(new FakeFleet(), { kind: 'kafka' });
  const translate = (...argv: string[]) =>
    run('translate', '--alias', 'factory-a', ...argv, ...url);
  const all = await translate();
  expect(all.code).toBe(0);
  expect(all.output).toMatch(/line-dashboard +Stable +x +0 +7 +factory-a\.x +5 +exact/);
  expect(all.output).toMatch(/line-dashboard +Stable +x +0 +7 +x +9 +ahead/);
  expect(all.output).toMatch(/new +Stable +x +0 +7 +nothing landed yet/);
  expect((await translate('--group', 'new')).output).not.toContain('line-dashboard');
  const applied = await translate('--group', 'line-dashboard', '--apply');
  expect(applied).toMatchObject({ code: 0, errors: '' });
  expect(applied.output).toBe('line-dashboard goes on at central at\n  factory-a.x/0 5\n');
  const nobody = await translate('--group', 'nobody', '--apply');
  expect([nobody.code, nobody.output]).toEqual([1, expect.stringContaining('nobody')]);
  expect(await translate('--apply')).toMatchObject({ code: 2 });
  expect(await run('translate', ...url)).toMatchObject({ code: 2 });
});

test('without a Kafka there are no groups, and translate says why', async () => {
  const url = await central();
  const { code, errors } = await run('translate', '--alias', 'factory-a', ...url);
  expect(code).toBe(1);
  expect(errors).toContain('embedded landing, which has no consumer groups');
});

test('audit tells what differs and what would change, and by its exit code what is in danger', async () => {
  const fleet = new FakeFleet();
  const rows: TopicRow[] = [
    {
      ...{ topic: 'factory-a.x', kind: 'remote', partitions: [], records: 0 },
      troubles: ['compression.type = gzip: it does'],
    },
    { topic: 'x', kind: 'merged', partitions: [], records: 0, troubles: ['it is compacted'] },
  ];
  const url = await central(fleet, { kind: 'kafka', topics: async () => rows });
  const harmless = await run('audit', ...url);
  expect([harmless.code, harmless.errors]).toEqual([0, '']);
  expect(harmless.output).toMatch(/^1 topic of sites' own Kafkas compared\.\n/);
  expect(harmless.output).toMatch(
    /warning +factory-a\.x +retention +7 +5 +kept shorter +retention\.ms is set to 37\n/,
  );
  expect(harmless.output).toMatch(/factory-a\.x +compression\.type = gzip: it does\n/);
  expect(harmless.output).toMatch(/x +it is compacted\n/);
  const one = await run('audit', '--alias', 'factory-a', ...url);
  expect(one.output).not.toContain('it is compacted');
  fleet.views = [edgeView('factory-b')];
  const none = await run('audit', '--alias', 'factory-b', ...url);
  expect(none).toMatchObject({ code: 0, output: expect.stringContaining('nothing differs') });
  expect(await run('audit', '--alias', '-', ...url)).toMatchObject({ code: 2 });
  fleet.views = [edgeView('factory-a')];
  const at = systemClock.now() - 5_000;
  fleet.streams = [
    streamView({ topic: 'x', oldestUnlandedAt: at }),
    streamView({ topic: 'x', partition: 1, oldestUnlandedAt: null }),
  ];
  const { code, output } = await run('audit', '--json', ...url);
  expect(code).toBe(1);
  const { drifts } = JSON.parse(output);
  expect(drifts[0]).toMatchObject({
    severity: 'danger',
    meaning: expect.stringMatching(/^5\d\d\d(\.\d+)? ms/),
  });
  expect((await run('audit', ...url)).output).toMatch(/danger +factory-a\.x +backlog +- /);
});

test('without a Kafka there are no topics to compare, and audit says why', async () => {
  const url = await central();
  const { code, errors } = await run('audit', ...url);
  expect(code).toBe(1);
  expect(errors).toContain('embedded landing, which has no Kafka topics');
  const answer = await fetch(`${url[1]}/api/v1/audit`);
  expect([answer.status, await answer.json()]).toMatchObject([
    409,
    { error: { code: 'no-kafka' } },
  ]);
});
