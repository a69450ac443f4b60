import { beforeEach, expect, test } from 'vitest';
import { openFleet } from '#central/fleet/open-fleet.ts';
import { type AliasWrite, type Landing, LandingError } from '#central/landing/landing.ts';
import { openMerge } from '#central/merge/merge.ts';
import { silentLog } from '#shared/std/log.ts';
import { type Edge, openEdge } from './edge.ts';
import { World } from './world.ts';

let world: World;
let edge: Edge;
/** Topics that the log does not take; by name, or `<topic>/<partition>`. */
let refused: Set<string>;
let commits = 0;

const why = (topic: string) => `topic "${topic}" takes smaller batches only`;

/** A log that refuses a whole commit for one of its topics, as Kafka does. */
function picky(landing: Landing): Landing {
  const commit = async (writes: readonly AliasWrite[]) => {
    commits += 1;
    for (const { remoteTopic, mergedTopics, partition } of writes.flatMap((one) => one.segments)) {
      for (const topic of [remoteTopic, ...mergedTopics]) {
        const at = refused.has(topic) ? { topic } : { topic, partition };
        if (!refused.has(topic) && !refused.has(`${topic}/${partition}`)) continue;
        throw new LandingError('refused', why(topic), { at });
      }
    }
    return landing.commit(writes);
  };
  return new Proxy(landing, {
    get: (target, name) => {
      if (name === 'commit') return commit;
      const value = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

beforeEach(async () => {
  refused = new Set();
  world = new World({ wrap: picky });
  edge = await openEdge(world);
  commits = 0;
});

const throughs = (body: { acks?: { topic: string; partition: number; through: number }[] }) =>
  body.acks?.map(({ topic, partition, through }) => `${topic}/${partition} ${through}`);

test('a topic that is refused holds up no other topic of the request', async () => {
  refused.add('factory-a.bad').add('factory-a.worse');
  const bad = [edge.segment(0, 2, { topic: 'bad' }), edge.segment(2, 2, { topic: 'bad' })];
  const worse = edge.segment(0, 1, { topic: 'worse' });
  const frames = [edge.segment(0, 3), ...bad, worse, edge.segment(3, 1)];
  const { status, body } = await edge.segments(frames);
  expect(status).toBe(200);
  expect(throughs(body)).toEqual(['sensor-data/0 3', 'bad/0 -1', 'worse/0 -1']);
  const held = (index: number, topic: string) => {
    return { index, verdict: 'held', message: why(`factory-a.${topic}`) };
  };
  expect(body.verdicts).toEqual([held(1, 'bad'), held(2, 'bad'), held(3, 'worse')]);
  expect(await world.valuesOf('sensor-data')).toHaveLength(4);
  expect(world.heard.landed).toMatchObject([{ records: 4 }]);

  refused.clear();
  const again = await edge.segments([...bad, worse]);
  expect(again.body.verdicts).toEqual([]);
  expect(throughs(again.body)).toEqual(['bad/0 3', 'worse/0 0']);
});

test('a merged topic that is refused holds what feeds it, and a partition only its own', async () => {
  refused.add('sensor-data/1');
  const parts = [0, 1].map((partition) => edge.segment(0, 2, { partition, partitionCount: 2 }));
  const { body } = await edge.segments([...parts, edge.segment(0, 1, { topic: 'vitals' })]);
  expect(throughs(body)).toEqual(['sensor-data/0 1', 'sensor-data/1 -1', 'vitals/0 0']);
  expect(body.verdicts).toMatchObject([{ index: 1, verdict: 'held' }]);
});

test('a loss behind a segment that is held waits with it, and what had landed is a duplicate', async () => {
  await edge.segments([edge.segment(0, 2)]);
  refused.add('sensor-data');
  const { body } = await edge.segments([edge.segment(0, 2), edge.segment(2, 2), edge.loss(4, 5)]);
  expect(body.verdicts.map(({ verdict }) => verdict)).toEqual(['duplicate', 'held', 'held']);
  expect(throughs(body)).toEqual(['sensor-data/0 1']);
  refused.clear();
  const again = await edge.segments([edge.segment(2, 2), edge.loss(4, 5)]);
  expect(throughs(again.body)).toEqual(['sensor-data/0 8']);
});

test('where all of a request is refused the site is told so, and goes on with others', async () => {
  refused.add('sensor-data');
  const { status, body } = await edge.segments([edge.segment(0, 3)]);
  expect([status, commits]).toEqual([200, 1]);
  expect(body.verdicts).toMatchObject([{ verdict: 'held' }]);
});

test('central raises an alarm that says which and why, for as long as it is so', async () => {
  const fleet = await openFleet({
    ...{ landing: world.landing, clock: world.clock, log: silentLog, expect: [] },
    ...{ merge: openMerge([]), offlineAfterMs: 15_000, stalledAfterMs: 30_000 },
  });
  world.tell(fleet);
  refused.add('factory-a.bad');
  await edge.segments([edge.segment(0, 1, { topic: 'bad' })]);
  const alarm = `held: bad/0 cannot land now, the site keeps it: ${why('factory-a.bad')}`;
  expect(fleet.edge('factory-a')!.alarms).toEqual([alarm]);
  await world.pass(60_000);
  await edge.segments([edge.segment(0, 1, { topic: 'bad' })]);
  await world.pass(60_000);
  expect(fleet.edge('factory-a')!.alarms).toEqual([alarm]);
  await world.pass(70_000);
  expect(fleet.edge('factory-a')!.alarms).toEqual([]);
});
