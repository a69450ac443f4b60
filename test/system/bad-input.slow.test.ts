import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { expect, onTestFinished, test } from 'vitest';
import {
  agentOf,
  assertAccounts,
  drained,
  edgeOf,
  lossesOf,
  post,
  postTo,
  recordsOf,
} from './api.ts';
import { House, httpOf, type Program, runCommand } from './programs.ts';

/** What is wrong is told with its name, its value and what to do; and nothing is lost by it. */

const patience = { timeout: 30_000, interval: 100 };

test('every problem of the settings at once, with its line; exit code 2', async () => {
  const house = new House();
  const file = join(house.folder, 'wrong.toml');
  writeFileSync(
    file,
    `alias = "a.b"
[buffer]
max_byts = "1GiB"
when_full = "drop"
[[source]]
type = "mqtt"
url = "mqtt://localhost"
subscribe = [{ filter = "a/#/b", topic = "t" }]
`,
  );
  for (const command of ['run', 'check']) {
    const { code, out, err } = await runCommand('edge', [command, '--config', file]);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toContain(`${file}:1: alias = "a.b": must not contain "."`);
    expect(err).toContain(`${file}:3: buffer.max_byts = "1GiB"`);
    expect(err).toContain('did you mean "max_bytes"?');
    expect(err).toContain(`${file}:4: buffer.when_full = "drop"`);
    expect(err).toContain('filter "a/#/b" may have "#" at its end only');
    expect(err).toContain('4 problems');
  }
  const central = join(house.folder, 'wrong-central.toml');
  writeFileSync(central, '[landing]\ntype = "kafka"\n[flw]\ninto = "x"\n');
  const said = await runCommand('central', ['run', '--config', central]);
  expect(said.code).toBe(2);
  expect(said.err).toContain('landing.brokers');
  expect(said.err).toContain('did you mean "flow"?');
}, 30_000);

test('a port that is taken is told with its setting, by both programs', async () => {
  const holder = createServer();
  onTestFinished(() => void holder.close());
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  const taken = `127.0.0.1:${(holder.address() as { port: number }).port}`;
  const house = new House();
  const central = house.central();
  const edge = house.edge({ alias: 'site' });
  const cases = [
    ['central', central, 'link.listen', 'link.listen'],
    ['central', central, 'status.listen', 'status.listen'],
    ['edge', edge, 'status.listen', 'status.listen'],
    ['edge', edge, 'source[0].listen', 'listen of source "http"'],
  ] as const;
  for (const [program, { settings }, key, told] of cases) {
    const file = `${settings}.taken`;
    writeFileSync(file, withListen(readFileSync(settings, 'utf8'), key, taken));
    const { code, out, err } = await runCommand(program, ['run', '--config', file]);
    expect(`${key}: ${code}`).toBe(`${key}: 1`);
    expect(out).toBe('');
    expect(err).toContain(`${told} = "${taken}": another program listens there`);
  }
}, 30_000);

function withListen(toml: string, key: string, address: string): string {
  const table = key.startsWith('source') ? '[[source]]' : `[${key.split('.')[0]}]`;
  const at = toml.indexOf('listen', toml.indexOf(table));
  return toml.slice(0, at) + toml.slice(at).replace(/"[^"]*"/, `"${address}"`);
}

test('a second edge on a buffer is refused, and so is another alias; the first goes on', async () => {
  const house = new House();
  const edge = house.edge({ alias: 'site' });
  await edge.start();
  await post(edge, 'k', ['kept']);
  const second = await runCommand('edge', ['run', '--config', edge.settings]);
  expect(second.code).toBe(1);
  expect(second.err).toContain('is in use by another tributary-edge');
  await post(edge, 'k', ['kept too']);
  await edge.stop();

  const other = ['run', '--config', edge.settings, '--set', 'alias=other'];
  const refused = await runCommand('edge', other);
  expect(refused.code).toBe(1);
  expect(refused.err).toContain('alias = "other": the buffer');
  expect(refused.err).toContain('is that of "site"');
  await edge.start();
  expect((await agentOf(edge)).counts).toMatchObject({ accepted: 2, backlog: 2, lost: 0 });
}, 30_000);

test('two machines with one alias: a person is told that there are two', async () => {
  const house = new House();
  const central = house.central();
  await central.start();
  const url = central.ready.link!;
  const [one, two] = ['one', 'two'].map((name) =>
    house.edge({ alias: 'site', central: url }, name),
  ) as [Program, Program];
  await Promise.all([one.start(), two.start()]);
  await expect
    .poll(async () => (await edgeOf(central, 'site')).alarms.join('\n'), patience)
    .toMatch(/^clone: /m);
}, 60_000);

test('a record that is too large: 413 over HTTP, a declared loss over MQTT', async () => {
  const house = new House();
  const central = house.central();
  await central.start();
  const edge = house.edge({
    alias: 'site',
    central: central.ready.link!,
    more: `[[source]]
type = "mqtt"
name = "mqtt"
listen = "127.0.0.1:0"
subscribe = [{ filter = "sensors/+", topic = "sensor-data", key = "{1}" }]`,
  });
  await edge.start();
  const huge = 'x'.repeat(950 * 1024);
  const answer = await postTo(httpOf(edge), 'k', ['fits', huge]);
  expect(answer.status).toBe(413);
  const { error } = (await answer.json()) as { error: { message: string; hint: string } };
  expect(error.message).toContain('records[1]: record is');
  expect(error.message).toContain('nothing of the request was kept');

  const address = edge.ready.sources!.find(({ name }) => name === 'mqtt')!.address;
  const client = await mqtt.connectAsync(address);
  onTestFinished(() => client.endAsync(true));
  await client.publishAsync('sensors/a', 'before', { qos: 1 });
  await client.publishAsync('sensors/a', huge, { qos: 1 });
  await client.publishAsync('sensors/a', 'after', { qos: 2 });
  await drained(central, edge, 'site');
  const merged = await recordsOf(central, 'sensor-data');
  expect(merged.map(({ value }) => value)).toEqual(['before', 'after']);
  const { counts } = await assertAccounts(central, edge, 'site');
  expect(counts).toEqual({ accepted: 3, landed: 2, backlog: 0, lost: 1 });
  const [loss, ...others] = await lossesOf(central);
  expect(others).toEqual([]);
  expect(loss).toMatchObject({ reason: 'too-large', scope: 'stream', records: 1 });
  expect(loss!.detail).toContain('the limit is 921600');
}, 30_000);

const mountDisk = (folder: string) =>
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', folder], { stdio: 'pipe' });
const unmountDisk = (folder: string) => void execFileSync('umount', ['-l', folder]);

/** Why there is no small disk to fill; undefined when there is one. */
function tmpfsProblem(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'tributary-disk-'));
  try {
    mountDisk(folder);
    unmountDisk(folder);
    return undefined;
  } catch (error) {
    return `a full disk needs the right to mount a tmpfs (root): ${(error as Error).message}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const tmpfsMissing = tmpfsProblem();
if (tmpfsMissing && process.env.TRIBUTARY_REQUIRE === 'all') throw new Error(tmpfsMissing);
if (tmpfsMissing) console.log(`Skipped: ${tmpfsMissing}`);

test.skipIf(tmpfsMissing)(
  'a full disk refuses before it forgets, and goes on with room',
  async () => {
    const house = new House();
    const central = house.central();
    await central.start();
    const disk = house.stateOf('site');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', disk]);
    onTestFinished(() => void execFileSync('umount', ['-l', disk]));
    const ballast = join(disk, 'ballast');
    writeFileSync(ballast, Buffer.alloc(12 * 2 ** 20));
    const away = { alias: 'site', bufferMore: 'compression = "none"' };
    const edge = house.edge(away);
    await edge.start();

    const kept: string[] = [];
    const refusal = await fillDisk(edge, kept);
    expect(refusal.status).toBe(503);
    expect(await refusal.json()).toMatchObject({ error: { code: 'disk-full' } });
    expect((await agentOf(edge)).counts).toEqual({
      ...{ accepted: kept.length, acknowledged: 0, backlog: kept.length, lost: 0 },
    });
    await edge.kill();
    await edge.start();
    expect((await agentOf(edge)).counts.backlog).toBe(kept.length);

    rmSync(ballast);
    const again = async () => (await postTo(httpOf(edge), 'k', ['again'])).status;
    await expect.poll(again, patience).toBe(200);
    kept.push('again');
    await edge.stop();
    house.edge({ ...away, central: central.ready.link! });
    await edge.start();
    await drained(central, edge, 'site');
    const merged = await recordsOf(central, 'sensor-data');
    expect(merged.map(({ value }) => value.slice(0, 20))).toEqual(
      kept.map((value) => value.slice(0, 20)),
    );
    await assertAccounts(central, edge, 'site');
  },
  90_000,
);

/** Posts until it is refused; answers the refusal. */
async function fillDisk(edge: Program, kept: string[]): Promise<Response> {
  for (;;) {
    const value = `${kept.length}:`.padEnd(200_000, 'x');
    const answer = await postTo(httpOf(edge), 'k', [value]);
    if (answer.status !== 200) return answer;
    kept.push(value);
    expect(kept.length).toBeLessThan(1_000);
  }
}

const mebibyte = 2 ** 20;

test('memory stays flat whatever the backlog, from HTTP in to drained', async () => {
  const house = new House();
  const central = house.central();
  await central.start();
  const edge = house.edge({ alias: 'site' });
  await edge.start();
  // Until it has seen some traffic, what grows is what traffic itself takes.
  await fill(edge, 56);
  const little = memoryOf(edge);
  await fill(edge, 168);
  const filled = memoryOf(edge);
  // 126 MiB more wait there.
  expect((await agentOf(edge)).buffer.usedBytes).toBeGreaterThan(160 * mebibyte);
  expect(filled - little).toBeLessThan(60 * mebibyte);
  await edge.stop();

  const empty = house.edge({ alias: 'empty' });
  await Promise.all([edge.start(), empty.start()]);
  expect(memoryOf(edge) - memoryOf(empty)).toBeLessThan(40 * mebibyte);
  await edge.stop();
  house.edge({ alias: 'site', central: central.ready.link! });
  await edge.start();
  await drained(central, edge, 'site');
  expect(memoryOf(edge) - little).toBeLessThan(60 * mebibyte);
  expect((await agentOf(edge)).buffer.usedBytes).toBeLessThan(32 * mebibyte);
}, 120_000);

/** Requests of half a MiB, of which compression leaves three quarters. */
async function fill(edge: Program, mebibytes: number): Promise<void> {
  for (let request = 0; request < 2 * mebibytes; request += 1) {
    const values = [0, 1].map(() => randomBytes(3 * 2 ** 16).toString('base64'));
    await post(edge, 'k', values);
  }
}

function memoryOf({ pid }: Program): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) * 1024;
}
