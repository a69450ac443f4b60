import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

/** `npm start` in a copy of the checkout, as a newcomer types it, under whatever Node the machine has. */

const checkout = fileURLToPath(new URL('../..', import.meta.url));
let copy: string;
const running: ChildProcess[] = [];
/** Without what `npm test` put in front: a newcomer's shell does not find the bundled Node. */
const env = {
  ...process.env,
  PATH: process.env
    .PATH!.split(':')
    .filter((one) => !one.includes('node_modules'))
    .join(':'),
};

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'tributary-start-'));
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: checkout });
  for (const file of listed.toString().split('\n').filter(Boolean)) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    cpSync(join(checkout, file), join(copy, file));
  }
  // Of its own: whatever setup does there must not reach the checkout. Hard links cost no space.
  const from = join(checkout, 'node_modules');
  try {
    execFileSync('cp', ['-al', from, copy], { stdio: 'ignore' });
  } catch {
    execFileSync('cp', ['-a', from, copy]);
  }
});
afterEach(async () => {
  for (const child of running.splice(0)) await end(child);
});
afterAll(() => rmSync(copy, { recursive: true }));

async function end(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const exit = once(child, 'exit');
  // npm does not pass signals on to what its shell started; a terminal's Ctrl-C reaches the group.
  process.kill(-child.pid!, 'SIGINT');
  return (await exit)[0] as number | null;
}

/** Resolves with the welcome once it is printed, or with what was said instead. */
async function start(...options: string[]) {
  const child = spawn('npm', ['start', '--', ...options], { cwd: copy, env, detached: true });
  running.push(child);
  let said = '';
  const exit = once(child, 'close');
  const hear = (text: Buffer) => {
    said += text;
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const welcome = expect.poll(() => said, { timeout: 60_000 }).toContain('see it in the merged');
  await Promise.race([welcome, exit]);
  welcome.catch(() => {});
  return { child, exit, said: () => said };
}

const lineAfter = (said: string, intro: string) =>
  said
    .slice(said.indexOf(intro))
    .split('\n')
    .slice(1)
    .find((line) => line.trim() !== '')!
    .trim();

const shell = (line: string) =>
  execFileSync('sh', ['-c', line], {
    ...{ cwd: copy, env, encoding: 'utf8', timeout: 60_000 },
    stdio: ['ignore', 'pipe', 'ignore'],
  });

/** The line that posts with curl; by ourselves where there is none. */
async function post(line: string): Promise<void> {
  const { status } = spawnSync('curl', ['--version']);
  if (status === 0 || process.env.TRIBUTARY_REQUIRE === 'all') {
    shell(line);
    return;
  }
  console.log('curl is not installed: its line is not tried, the same request is made without it');
  const headers = { 'content-type': 'application/json' };
  await fetch(line.split(' ').at(-1)!, { method: 'POST', headers, body: '{"c":21.5}' });
}

const ask = async (url: string) => (await fetch(url)).json() as Promise<unknown>;

async function landed(dashboard: string): Promise<number> {
  const { edges } = (await ask(`${dashboard}api/v1/edges`)) as {
    edges: { counts: { landed: number } }[];
  };
  return edges.reduce((sum, { counts }) => sum + counts.landed, 0);
}

const dashboardOf = (said: string) => /Dashboard\s+(\S+)/.exec(said)![1]!;
const folderOf = (name: string) => ['--folder', join(copy, name), '--port-base', '0'];

test('a newcomer sees real data arrive, publishes a message, and finds it merged', async () => {
  const { said, child } = await start(...folderOf('first'));
  const dashboard = dashboardOf(said());
  await expect.poll(() => landed(dashboard), { timeout: 20_000 }).toBeGreaterThan(0);
  expect(await (await fetch(dashboard)).text()).toContain('<html');

  const publish = lineAfter(said(), 'Publish a message');
  expect(publish).toMatch(/^npx mqtt pub -h 127\.0\.0\.1 .* -m '\{"c":21\.5\}'$/);
  shell(publish);
  await post(lineAfter(said(), 'or post one'));
  const look = lineAfter(said(), 'and see it in the merged topic');
  await expect
    .poll(() => shell(look).match(/\{"c":21\.5\}/g)?.length, { timeout: 20_000, interval: 500 })
    .toBe(2);
  expect(shell(look)).toMatch(/\toven-1\t\{"c":21\.5\}/);
  expect(shell(`npx tributary-central edges --url ${dashboard}`)).toMatch(/factory-a +live/);

  expect(await end(child)).toBe(0);
  expect(said()).toContain('Stopping …');
  const log = readFileSync(join(copy, 'first/factory-a.log'), 'utf8');
  expect(log).not.toMatch(/"level":(50|60)/);
}, 120_000);

test('a second start continues where the first stopped', async () => {
  const first = await start(...folderOf('twice'));
  const before = dashboardOf(first.said());
  await expect.poll(() => landed(before), { timeout: 20_000 }).toBeGreaterThan(20);
  const epoch = ((await ask(`${before}api/v1/edges`)) as { edges: { epoch: string }[] }).edges[0];
  const count = await landed(before);
  expect(await end(first.child)).toBe(0);

  const second = await start(...folderOf('twice'));
  const after = dashboardOf(second.said());
  await expect.poll(() => landed(after), { timeout: 20_000 }).toBeGreaterThan(count);
  const { edges } = (await ask(`${after}api/v1/edges`)) as {
    edges: { epoch: string; losses: { records: number } }[];
  };
  expect(edges[0]).toMatchObject({ epoch: epoch!.epoch, losses: { records: 0 } });
}, 120_000);

test('a starter that is killed leaves nothing running', async () => {
  const { said, child } = await start(...folderOf('killed'));
  const dashboard = dashboardOf(said());
  const exit = once(child, 'exit');
  process.kill(-child.pid!, 'SIGKILL');
  await exit;
  const answers = () =>
    fetch(dashboard).then(
      () => true,
      () => false,
    );
  await expect.poll(answers, { timeout: 20_000 }).toBe(false);
}, 60_000);

test('a port that is taken is told with its setting and what to do', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as { port: number };
  const { exit, said } = await start('--folder', join(copy, 'taken'), '--port-base', String(port));
  expect((await exit)[0]).toBe(1);
  holder.close();
  expect(said()).toContain(`status.listen = "127.0.0.1:${port}": another program listens there`);
  expect(said()).toContain('npm start -- --port-base');
}, 60_000);

test('options that are wrong are told, with those there are', async () => {
  const { exit, said } = await start('--sites', '9');
  expect((await exit)[0]).toBe(1);
  expect(said()).toContain('--sites 9: must be a whole number from 1 to 3');
  const other = await start('--flakey');
  expect((await other.exit)[0]).toBe(2);
  expect(other.said()).toContain('--flaky');
}, 60_000);

test('three sites with flaky links fall behind, say so, and catch up', async () => {
  const options = ['--sites', '3', '--flaky', '--seed', '7', ...folderOf('flaky')];
  const { said, child } = await start(...options);
  expect(said()).toContain('seed 7');
  const dashboard = dashboardOf(said());
  const states = async () => {
    const { edges } = (await ask(`${dashboard}api/v1/edges`)) as {
      edges: { alias: string; state: string; lag: { atLeast: boolean } }[];
    };
    return edges;
  };
  await expect.poll(said, { timeout: 60_000 }).toMatch(/the link of \S+ (is cut|goes silent)/);
  const alias = /the link of (\S+) (is cut|goes silent)/.exec(said())![1]!;
  const site = async () => (await states()).find((one) => one.alias === alias)!;
  await expect.poll(site, { timeout: 30_000 }).toMatchObject({
    state: 'offline',
    lag: { atLeast: true },
  });
  await expect.poll(said, { timeout: 60_000 }).toContain(`the link of ${alias} is back`);
  await expect.poll(site, { timeout: 60_000 }).toMatchObject({
    state: 'live',
    lag: { atLeast: false },
  });
  expect(await end(child)).toBe(0);
}, 240_000);
