import { expect, test } from 'vitest';
import { kafkaClusters } from '#edge/kafka-clusters.ts';
import { KafkaSights, type SightOptions } from '#edge/kafka-sights.ts';
import type { KafkaSource, ReplicatedCluster } from '#edge/source/kafka.ts';
import { systemClock } from '#shared/std/clock.ts';
import type { HelloStream } from '#shared/wire/link.ts';

const never = new AbortController().signal;
const id = '1'.repeat(32);

/** A cluster with one topic of that name, and whatever else a test says of it. */
function cluster(topic: string, topics?: () => Promise<never>): NonNullable<SightOptions> {
  const configs = topics ?? (async () => []);
  return {
    admin: {
      groups: async () => [],
      describeGroups: async () => [],
      groupOffsets: async () => [],
      acls: async () => [],
      configs,
    },
    follows: () => true,
    acls: false,
    topics: () => [{ topic, incarnation: id, partitions: 1 }],
    positions: () => [],
  };
}

const topicsOf = (sight: Awaited<ReturnType<KafkaSights['look']>>) =>
  sight?.topics.map(({ topic }) => topic);

test('nothing is told before every Kafka of the site was seen once', async () => {
  const sights = new KafkaSights(systemClock);
  expect(await sights.look([cluster('a'), undefined], 1_000, never)).toBeUndefined();
  expect(topicsOf(await sights.look([cluster('a'), cluster('b')], 1_000, never))).toEqual([
    ...['a', 'b'],
  ]);
});

test('a Kafka that is down, or does not answer, stays as it was, and the others are seen', async () => {
  const sights = new KafkaSights(systemClock);
  await sights.look([cluster('a'), cluster('b')], 1_000, never);
  const down = cluster('x', () => Promise.reject(new Error('no broker')));
  expect(topicsOf(await sights.look([cluster('c'), down], 1_000, never))).toEqual(['c', 'b']);
  expect(sights.trouble).toMatchObject({ message: 'no broker' });
  const silent = cluster('y', () => new Promise(() => {}));
  expect(topicsOf(await sights.look([cluster('d'), silent], 20, never))).toEqual(['d', 'b']);
  expect(sights.trouble).toBeUndefined();
});

test('how far was read is told with the sequence behind it, of the newest epoch', async () => {
  const [now, before] = ['e'.repeat(32), 'd'.repeat(32)];
  const stream = (epoch: string, partition: number, head: number): HelloStream => ({
    ...{ epoch, topic: 't', partition, head, cursor: -1, confirmed: -1 },
  });
  const positions = [0, 1, 2].map((partition) => {
    return { topic: 't', partition, incarnation: id, next: 10 * partition };
  });
  const source = { cluster: () => ({ positions: () => positions }) as ReplicatedCluster };
  const buffer = {
    identity: { epoch: now } as never,
    helloStreams: async () => [stream(before, 0, 99), stream(now, 0, 4), stream(before, 1, 7)],
  };
  const [told] = kafkaClusters([source as KafkaSource], buffer);
  expect(await told!.positions()).toEqual([
    { ...positions[0], epoch: now, sequence: 5 },
    { ...positions[1], epoch: before, sequence: 8 },
    // Nothing was appended there: all that is before it is none.
    { ...positions[2], epoch: now, sequence: 0 },
  ]);
});
