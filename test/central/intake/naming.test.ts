import { expect, test } from 'vitest';
import { openFleet } from '#central/fleet/open-fleet.ts';
import { openMerge } from '#central/merge/merge.ts';
import { silentLog } from '#shared/std/log.ts';
import { Edge, openEdge } from './edge.ts';
import { World } from './world.ts';

const flows = [{ into: 'all', from: ['*.sensor-data'] }];
const values = (alias: string, from: number, count: number) =>
  Array.from({ length: count }, (_, i) => `${alias}-${from + i}`);
const of = (alias: string, all: readonly string[]) => all.filter((one) => one.startsWith(alias));

test('topics of two sites are one: each record once, in the order of its site', async () => {
  const world = new World({ naming: 'identity', flows });
  const [a, b] = [await openEdge(world, 'factory-a'), await openEdge(world, 'factory-b')];
  await a.segments([a.segment(0, 3)]);
  await b.segments([b.segment(0, 2)]);
  await a.segments([a.segment(0, 3), a.segment(3, 2)]);
  world.restart();
  await b.segments([b.segment(0, 2), b.segment(2, 1)]);
  for (const topic of ['sensor-data', 'all']) {
    const all = await world.valuesOf(topic);
    expect(all).toHaveLength(8);
    expect(of('factory-a', all)).toEqual(values('factory-a', 0, 5));
    expect(of('factory-b', all)).toEqual(values('factory-b', 0, 3));
  }
  const rows = await world.landing.checkpoints({});
  expect(rows.map(({ remoteTopic, through }) => [remoteTopic, through])).toEqual([
    ['sensor-data', 4],
    ['sensor-data', 2],
  ]);
});

test('the fleet shows the name at central, and whose the records of a flow are', async () => {
  const world = new World({ naming: 'identity', flows });
  const fleet = await openFleet({
    ...{ landing: world.landing, clock: world.clock, log: silentLog, expect: ['factory-z'] },
    ...{ merge: openMerge(flows, 'identity'), offlineAfterMs: 15_000, stalledAfterMs: 30_000 },
  });
  world.tell(fleet);
  const [a, b] = [await openEdge(world, 'factory-a'), await openEdge(world, 'factory-b')];
  await a.segments([a.segment(0, 3)]);
  await b.segments([b.segment(0, 2)]);
  expect(fleet.edge('factory-a')!.streams).toMatchObject([{ remoteTopic: 'sensor-data' }]);
  const [flow] = fleet.flows();
  expect(flow).toMatchObject({ into: 'all', records: 5 });
  expect(flow!.sources.map(({ alias, remoteTopic }) => `${alias} ${remoteTopic}`)).toEqual([
    'factory-a sensor-data',
    'factory-b sensor-data',
    'factory-z sensor-data',
  ]);
  fleet.close();
});

test('a topic that has no place is held, and nothing of it is lost or lands elsewhere', async () => {
  const world = new World({ naming: 'identity', flows });
  const edge = await openEdge(world);
  const topics = ['all', '__consumer_offsets', 'tributary.checkpoints'];
  const frames = topics.map((topic) => edge.segment(0, 2, { topic }));
  const loss = { ...edge.loss(2, 1), topic: 'all' };
  const { body } = await edge.segments([...frames, loss, edge.segment(0, 1)]);
  expect(body.verdicts.map(({ index, verdict }) => `${index} ${verdict}`)).toEqual([
    ...['0 held', '1 held', '2 held', '3 held'],
  ]);
  expect(body.acks?.map(({ topic, through }) => `${topic} ${through}`)).toEqual([
    ...topics.map((topic) => `${topic} -1`),
    'sensor-data 0',
  ]);
  expect((await world.landing.topics()).map(({ topic }) => topic).sort()).toEqual([
    'all',
    'sensor-data',
  ]);
  expect(world.heard.troubles.at(-1)).toMatchObject({ type: 'held' });
  world.naming = 'default';
  world.restart();
  const again = await edge.segments([...frames, loss]);
  expect(again.body.verdicts).toEqual([]);
  expect(await world.valuesOf('factory-a.all')).toHaveLength(2);
});

test('another naming goes on behind what has landed: nothing twice, nothing left out', async () => {
  const world = new World({ flows: [{ into: 'sensor-data', from: ['*.sensor-data'] }] });
  const edge = await openEdge(world);
  await edge.segments([edge.segment(0, 3)]);
  // What the flow merged is where the topic lands from now on.
  const after = new World({ naming: 'identity', flows: [], database: world.database });
  const same = new Edge(after, 'factory-a');
  await same.segments([same.segment(0, 3), same.segment(3, 2)]);
  expect(await after.valuesOf('factory-a.sensor-data')).toEqual(values('factory-a', 0, 3));
  expect(await after.valuesOf('sensor-data')).toEqual(values('factory-a', 0, 5));
  const back = new World({
    flows: [{ into: 'sensor-data', from: ['*.sensor-data'] }],
    database: world.database,
  });
  const still = new Edge(back, 'factory-a');
  await still.segments([still.segment(3, 2), still.segment(5, 1)]);
  expect(await back.valuesOf('factory-a.sensor-data')).toEqual([
    ...values('factory-a', 0, 3),
    ...values('factory-a', 5, 1),
  ]);
  expect(await back.valuesOf('sensor-data')).toEqual(values('factory-a', 0, 6));
});
