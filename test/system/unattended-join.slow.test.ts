import { rmSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runEdge } from '#edge/cli.ts';
import { loadEdgeConfig } from '#edge/config.ts';
import { loadCredential } from '#edge/uplink/credential.ts';
import { parseToken } from '#shared/wire/enrol.ts';
import { eventually } from '../contract/eventually.ts';
import { capturedIo } from '../shared/std/captured-io.ts';
import { EnrolledWorld } from './enrolled.ts';

/** Gateways that a fleet's tools set up: a settings file, a token file, and nobody at the keyboard. */

let world: EnrolledWorld;
const running: { io: ReturnType<typeof capturedIo>; ended: Promise<number> }[] = [];
beforeEach(() => {
  world = new EnrolledWorld();
});
afterEach(async () => {
  for (const { io, ended } of running.splice(0)) {
    io.signal('SIGTERM');
    await ended;
  }
  await world.close();
});

const tokenFile = () => `${world.folder}/join-token`;

/** `tributary-edge run`, whose settings say where central is and where a token may be. */
function run(more = '') {
  const url = world.collector.linkUrl;
  const config = world.edgeSettings(
    'factory-a',
    `central.url = "${url}"\ncentral.join_token_file = "${tokenFile()}"\n${more}`,
  );
  const io = capturedIo();
  const ended = runEdge(['run', '--config', config], io);
  running.push({ io, ended });
  const ready = () =>
    io
      .output()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line || '{}'));
  return { io, ended, ready, config };
}

async function lands(alias: string): Promise<void> {
  await eventually(async () => {
    const { edges } = await world.get<{ edges: object[] }>('/api/v1/edges');
    expect(edges).toMatchObject([{ alias, state: 'live' }]);
  });
}

test('a settings file and a token file make a site, named by central; then the file may go', async () => {
  await world.openCentral();
  const token = await world.enrol('factory-a');
  world.file('join-token', `${token}\n`);
  const { ready, io, config } = run();
  await lands('factory-a');
  expect(ready()[0]).toMatchObject({ ready: true, joining: [world.collector.linkUrl] });
  const credential = loadCredential(world.credentialPath('factory-a'))!;
  expect(credential).toMatchObject({ alias: 'factory-a', tokenId: parseToken(token)!.id });
  for (const text of [io.output(), io.errors(), ...world.lines]) {
    expect(text).not.toContain(parseToken(token)!.secret);
  }
  io.signal('SIGTERM');
  expect(await running.pop()!.ended).toBe(0);
  rmSync(tokenFile());
  const check = capturedIo();
  expect(await runEdge(['check', '--alias', '--config', config], check)).toBe(0);
  expect(await runEdge(['check', '--config', config], check)).toBe(0);
  expect(check.output()).toContain('edge "factory-a" takes from');
  run();
  await lands('factory-a');
});

test('records are taken in before it has joined, and before there is a central', async () => {
  await world.openCentral();
  world.file('join-token', await world.enrol('factory-a'));
  const { linkUrl } = world.collector;
  await world.collector.stop();
  const { ready } = run('alias = "factory-a"');
  await eventually(() => expect(ready()[0]).toMatchObject({ ready: true }));
  const { sources, status } = ready()[0];
  const url = `${sources[0].address}/v1/records/early`;
  expect((await fetch(url, { method: 'POST', body: '{"t":1}' })).status).toBe(200);
  await eventually(async () => {
    const told = await (await fetch(`${status}/api/v1/status`)).json();
    expect((told as { central: { lastError: string } }).central.lastError).toContain(
      'has not joined yet',
    );
  });
  world.listen = new URL(linkUrl).host;
  await world.openCentral();
  await eventually(async () => {
    const { edges } = await world.get<{ edges: object[] }>('/api/v1/edges');
    expect(edges).toMatchObject([{ alias: 'factory-a', counts: { landed: 1 } }]);
  });
});

test('an agent that runs takes up what join brings, without a restart', async () => {
  await world.openCentral();
  const { ready } = run('alias = "factory-a"');
  await eventually(() => expect(ready()[0]).toMatchObject({ ready: true }));
  const url = `${ready()[0].sources[0].address}/v1/records/early`;
  expect((await fetch(url, { method: 'POST', body: '{"t":1}' })).status).toBe(200);
  const io = capturedIo();
  const config = `${world.folder}/factory-a.toml`;
  const token = await world.enrol('factory-a');
  expect(await runEdge(['join', token, '--config', config], io)).toBe(0);
  expect(io.output()).toContain('an agent that runs takes it up by itself');
  await eventually(async () => {
    const { edges } = await world.get<{ edges: object[] }>('/api/v1/edges');
    expect(edges).toMatchObject([{ alias: 'factory-a', counts: { landed: 1 } }]);
  });
});

test('a token that central refuses is told and not tried again; the records are kept', async () => {
  await world.openCentral();
  const token = await world.enrol('factory-a');
  await world.enrol('factory-a');
  world.file('join-token', token);
  const { ready } = run('alias = "factory-a"');
  await eventually(() => expect(ready()[0]).toMatchObject({ ready: true }));
  const { status } = ready()[0];
  await eventually(async () => {
    const told = await (await fetch(`${status}/api/v1/status`)).text();
    expect(told).toContain('the join token is not one of this central');
  });
  expect(world.lines.filter((line) => line.includes('"code":"token-unknown"'))).toHaveLength(1);
});

test('a new token joins anew, as a machine that replaces another', async () => {
  await world.openCentral();
  world.file('join-token', await world.enrol('factory-a'));
  const first = run();
  await lands('factory-a');
  first.io.signal('SIGTERM');
  await running.pop()!.ended;
  const before = loadCredential(world.credentialPath('factory-a'))!;
  world.file('join-token', await world.enrol('factory-a'));
  run();
  await eventually(() => {
    const now = loadCredential(world.credentialPath('factory-a'))!;
    expect(now.certificate).not.toBe(before.certificate);
  });
  await lands('factory-a');
});

test('what is no token is a problem before joining, with its place and not its text', async () => {
  await world.openCentral();
  for (const text of ['secret-of-mine', 'a.b.c']) {
    world.file('join-token', text);
    const { io, ended } = run();
    expect(await ended).toBe(2);
    expect(io.errors()).toContain('holds no join token');
    expect(io.errors()).not.toContain(text);
    running.pop();
  }
  for (const text of ['none\n', '']) {
    world.file('join-token', text);
    const { io, ended } = run();
    expect(await ended).toBe(2);
    expect(io.errors()).toContain('alias: is missing');
    running.pop();
  }
  world.file('join-token', await world.enrol('factory-a'));
  const io = capturedIo();
  const set = [
    '--set',
    'central.url=http://127.0.0.1:1',
    '--config',
    `${world.folder}/factory-a.toml`,
  ];
  expect(await runEdge(['run', ...set], io)).toBe(2);
  expect(io.errors()).toContain('central.url: has to be set, and begin with https://');
});

test('whoever only asks the running agent needs neither its name nor its token', async () => {
  await world.openCentral();
  world.file('join-token', 'damaged');
  const path = world.edgeSettings('factory-a', `central.join_token_file = "${tokenFile()}"`);
  expect(() => loadEdgeConfig({ file: path, env: {} })).toThrow(/holds no join token/);
  const { alias, warnings } = loadEdgeConfig({ file: path, env: {}, nameMayLack: true });
  expect(alias).toBe('');
  expect(warnings.join()).toContain('holds no join token');
});
