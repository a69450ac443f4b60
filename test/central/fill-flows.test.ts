import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '#shared/std/clock.ts';
import { EnrolledWorld } from '../system/enrolled.ts';
import { LightEdge } from '../system/light-edge.ts';

let world: EnrolledWorld;
const edges: LightEdge[] = [];
afterEach(async () => {
  for (const edge of edges.splice(0)) await edge.close();
  await world.close();
});

const open = (more = '') => world.openCentral(more, systemClock, 'off');
const flow = (start: string) => `[[flow]]\ninto = "all"\nfrom = ["*.readings"]\nstart = "${start}"`;

/** A site that delivers `values`, and is gone again. */
async function deliver(alias: string, values: readonly string[]): Promise<void> {
  const folder = join(world.folder, alias);
  mkdirSync(folder, { recursive: true });
  const urls = [world.collector.linkUrl];
  const edge = await LightEdge.open({ alias, urls, folder, partitions: 1 });
  edges.push(edge);
  await edge.publish('readings', 'key', values);
  await expect.poll(() => edge.backlog(), { timeout: 10_000 }).toBe(0);
  await edge.close();
  edges.pop();
}

interface Flows {
  flows: { records: number; sources: { remoteTopic: string }[] }[];
}

async function merged(): Promise<[alias: string, value: string][]> {
  const path = '/api/v1/topics/all/partitions/0/records?limit=1000';
  const page = await world.get<{ records?: { value: string; headers: [string, string][] }[] }>(
    path,
  );
  return (page.records ?? []).map(({ value, headers }) => {
    return [headers.find(([name]) => name === 'tributary.alias')![1], value];
  });
}

const valuesOf = (all: [string, string][], alias: string) =>
  all.filter(([one]) => one === alias).map(([, value]) => value);

test('a flow added with start = "earliest" has what landed before it, in order and once', async () => {
  world = new EnrolledWorld();
  await open();
  await deliver('a', ['1', '2']);
  await deliver('b', ['1']);
  for (const last of ['3', '4']) {
    await world.collector.stop();
    await open(flow('earliest'));
    await deliver('a', [last]);
  }
  const all = await merged();
  expect(valuesOf(all, 'a')).toEqual(['1', '2', '3', '4']);
  expect(valuesOf(all, 'b')).toEqual(['1']);
  const { flows } = await world.get<Flows>('/api/v1/flows');
  expect(flows).toMatchObject([
    { records: 5, sources: [{ remoteTopic: 'a.readings' }, { remoteTopic: 'b.readings' }] },
  ]);
});

test('a flow added with start = "latest" has only what lands from then on', async () => {
  world = new EnrolledWorld();
  await open();
  await deliver('a', ['1', '2']);
  await world.collector.stop();
  await open(flow('latest'));
  await deliver('a', ['3']);
  expect(await merged()).toEqual([['a', '3']]);
});
