import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { agentOf, drained, edgeOf, lossesOf, post, recordsOf } from './api.ts';
import { Link } from './link.ts';
import { House, type Program, runCommand } from './programs.ts';

/** Buffers that are copied, restored or cut off from their past, and a central that loses its own. */

const patience = { timeout: 40_000, interval: 100 };

async function open() {
  const house = new House();
  const central = house.central();
  await central.start();
  const link = await Link.open(() => central.ready.link!);
  const settings = { alias: 'site', central: link.url };
  const edge = house.edge(settings);
  await edge.start();
  return { house, central, link, settings, edge };
}

const site = (central: Program) => edgeOf(central, 'site');

/** Posts `<name>:0` … one by one, each durable before the next; answers them. */
async function postAll(edge: Program, name: string, count: number): Promise<string[]> {
  const values = Array.from({ length: count }, (_, index) => `${name}:${index}`);
  for (const value of values) await post(edge, name, [value]);
  return values;
}

async function assertMerged(central: Program, values: readonly string[]): Promise<void> {
  const merged = async () =>
    (await recordsOf(central, 'sensor-data')).map(({ value }) => value).sort();
  await expect.poll(merged, patience).toEqual([...values].sort());
}

/** What it holds while the link is cut, so that every copy of its state has it too. */
async function withBacklog(edge: Program, link: Link, name: string): Promise<string[]> {
  link.become('refused');
  const values = await postAll(edge, name, 20);
  expect((await agentOf(edge)).counts.backlog).toBe(20);
  return values;
}

test('two copies of one state in turn and at once: nothing lost, nothing twice, and it is told', async () => {
  const { house, central, link, settings, edge } = await open();
  const values = await postAll(edge, 'both', 10);
  await drained(central, edge, 'site');
  values.push(...(await withBacklog(edge, link, 'shared')));
  await edge.stop();
  const twin = house.edge(settings, 'twin');
  cpSync(house.stateOf('site'), house.stateOf('twin'), { recursive: true });
  link.become('up');

  await edge.start();
  values.push(...(await postAll(edge, 'first', 30)));
  await drained(central, edge, 'site');
  await edge.stop();
  await twin.start();
  values.push(...(await postAll(twin, 'second', 30)));
  await drained(central, twin, 'site');
  await assertMerged(central, values);
  expect((await site(central)).alarms.join('\n')).toMatch(/^fork: /m);

  link.become('refused');
  await edge.start();
  const [ours, theirs] = await Promise.all([
    postAll(edge, 'first-again', 30),
    postAll(twin, 'second-again', 30),
  ]);
  link.become('up');
  await assertMerged(central, [...values, ...ours, ...theirs]);
  expect((await site(central)).losses.records).toBe(0);
  expect((await agentOf(edge)).epoch).not.toBe((await agentOf(twin)).epoch);
  expect(await lossesOf(central)).toEqual([]);
}, 120_000);

test('a restored backup: what landed since stays, what it still holds lands once', async () => {
  const { house, central, link, edge } = await open();
  const values = await postAll(edge, 'old', 10);
  await drained(central, edge, 'site');
  values.push(...(await withBacklog(edge, link, 'in-the-backup')));
  await edge.stop();
  const backup = join(house.folder, 'backup');
  cpSync(house.stateOf('site'), backup, { recursive: true });
  link.become('up');
  await edge.start();
  values.push(...(await postAll(edge, 'after-the-backup', 25)));
  await drained(central, edge, 'site');
  await edge.kill();

  rmSync(house.stateOf('site'), { recursive: true });
  cpSync(backup, house.stateOf('site'), { recursive: true });
  await edge.start();
  values.push(...(await postAll(edge, 'restored', 25)));
  await drained(central, edge, 'site');
  await assertMerged(central, values);
  const { alarms, counts } = await site(central);
  expect(alarms.join('\n')).toMatch(/^fork: /m);
  expect(alarms.join('\n')).not.toMatch(/^counts: /m);
  expect(counts).toMatchObject({ accepted: values.length, landed: values.length, lost: 0 });
}, 60_000);

test('a new buffer under an alias that was there before starts an epoch of its own', async () => {
  const { house, central, edge } = await open();
  const values = await postAll(edge, 'old', 10);
  await drained(central, edge, 'site');
  await edge.stop();
  rmSync(house.stateOf('site'), { recursive: true });
  await edge.start();
  values.push(...(await postAll(edge, 'new', 10)));
  await drained(central, edge, 'site');
  await assertMerged(central, values);
}, 60_000);

test('a central without its database: the edge waits for a person, who adopts; the hole is a loss', async () => {
  const { house, central, link, edge } = await open();
  await postAll(edge, 'gone', 15);
  await drained(central, edge, 'site');
  const held = await withBacklog(edge, link, 'held');
  await central.stop();
  rmSync(join(house.folder, 'central'), { recursive: true });
  await central.start();
  link.become('up');
  await expect.poll(async () => (await agentOf(edge)).central.state, patience).toBe('adopt-needed');
  const { lastError } = (await agentOf(edge)).central;
  expect(lastError).toContain('tributary-central edges adopt site');
  const status = await runCommand('edge', ['status', '--url', edge.ready.status]);
  expect(status).toMatchObject({ code: 0 });
  expect(status.out).toContain('adopt-needed');
  expect(status.out).toContain('tributary-central edges adopt site');
  const waiting = await site(central);
  expect(waiting.alarms.join('\n')).toMatch(/^adopt-needed: /m);
  expect(waiting.counts.landed).toBe(0);
  // It takes in more meanwhile.
  held.push(...(await postAll(edge, 'meanwhile', 5)));

  const words = ['edges', 'adopt', 'site', '--url', central.ready.status];
  expect(await runCommand('central', words)).toMatchObject({ code: 0 });
  await expect.poll(async () => (await agentOf(edge)).central.state, patience).toBe('connected');
  await drained(central, edge, 'site');
  await assertMerged(central, held);
  expect(await lossesOf(central)).toMatchObject([
    { alias: 'site', reason: 'central-rollback', scope: 'stream', records: 15, first: 0 },
  ]);
  const { counts, alarms } = await site(central);
  expect(counts).toEqual({ accepted: 15 + held.length, landed: held.length, backlog: 0, lost: 15 });
  expect(alarms.join('\n')).not.toMatch(/adopt-needed/);
}, 90_000);

test('a central without its database takes a site that has everything still', async () => {
  const { house, central, link, edge } = await open();
  await expect.poll(async () => (await agentOf(edge)).central.state, patience).toBe('connected');
  const held = await withBacklog(edge, link, 'held');
  await central.stop();
  rmSync(join(house.folder, 'central'), { recursive: true });
  await central.start();
  link.become('up');
  await drained(central, edge, 'site');
  await assertMerged(central, held);
  expect(await lossesOf(central)).toEqual([]);
}, 60_000);
