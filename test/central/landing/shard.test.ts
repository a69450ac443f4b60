import { setImmediate } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { openKafkaLanding } from '#central/landing/kafka.ts';
import type { KafkaLanding } from '#central/landing/kafka-landing.ts';
import { soleOwner } from '#central/landing/kafka-owners.ts';
import type { Kafka, TopicPartition } from '#shared/kafka/kafka.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { Site } from '../../contract/landing-site.ts';
import { MemoryCluster } from '../../sim/memory-kafka.ts';
import { kafkaOptions } from './kafka-options.ts';

/** Far longer than a test may take: who waits for it is seen. */
const lingerMs = 3_600_000;

let landing: KafkaLanding | undefined;
afterEach(() => landing?.abandon());

async function open(kafka: Kafka, lingerMs: number): Promise<KafkaLanding> {
  const deps = { kafka, clock: systemClock, log: silentLog, owners: soleOwner };
  landing = await openKafkaLanding({ ...kafkaOptions, lingerMs }, deps);
  await landing.serve(null);
  return landing;
}

function countCommits(cluster: MemoryCluster): () => number {
  let commits = 0;
  cluster.fault = (step, when) => {
    if (step === 'commit' && when === 'after') commits += 1;
  };
  return () => commits;
}

test('a site that delivers alone waits for no other', async () => {
  const landing = await open(new MemoryCluster().open(), lingerMs);
  const site = new Site('factory-a');
  await landing.commit([site.hello(1)]);
  for (let at = 2; at < 5; at++) {
    const [landed] = await landing.commit([site.write(at, { segments: [site.segment(1)] })]);
    expect(landed?.checkpoints).toMatchObject([{ through: at - 2 }]);
  }
});

test('where several deliver, who comes first waits for the others: one transaction', async () => {
  const cluster = new MemoryCluster();
  const landing = await open(cluster.open(), 200);
  const commits = countCommits(cluster);
  const sites = ['a', 'b', 'c'].map((alias) => new Site(alias));
  await Promise.all(sites.map((site) => landing.commit([site.hello(1)])));
  expect(commits()).toBe(1);
  const landed = sites.map(async (site) => {
    await setImmediate();
    return landing.commit([site.write(2, { segments: [site.segment(1)] })]);
  });
  await Promise.all([landing.commit([new Site('d').hello(2)]), ...landed]);
  expect(commits()).toBe(2);
});

test('all partitions of a transaction are told with its first batches', async () => {
  const kafka = new MemoryCluster().open();
  const told: { first: Set<string>; later: Set<string> }[] = [];
  const landing = await open(listening(kafka, told), 0);
  const site = new Site('factory-a');
  await landing.commit([site.hello(1)]);
  told.length = 0;
  await landing.commit([site.write(2, { segments: [site.segment(2)], losses: [site.loss(1)] })]);
  const heartbeat = { receivedAt: 3, heartbeat: site.heartbeat(3) };
  await landing.commit([site.write(3, { heartbeat })]);
  expect(told).toHaveLength(2);
  for (const { first, later } of told) {
    expect(later).toContain('tributary.checkpoints:0');
    expect([...first]).toEqual(expect.arrayContaining([...later]));
  }
});

const name = ({ topic, partition }: TopicPartition): string => `${topic}:${partition}`;

/** Notes, of each transaction, the partitions of its first call and of those behind it. */
function listening(kafka: Kafka, told: { first: Set<string>; later: Set<string> }[]): Kafka {
  return {
    ...kafka,
    producer: (options) => {
      const producer = kafka.producer(options);
      let open: (typeof told)[number] | undefined;
      return {
        ...producer,
        send: (batches, soon = []) => {
          const places = batches.map(name);
          if (open) for (const place of places) open.later.add(place);
          else {
            open = { first: new Set([...places, ...soon.map(name)]), later: new Set() };
            told.push(open);
          }
          return producer.send(batches, soon);
        },
        commit: async () => {
          await producer.commit();
          open = undefined;
        },
      };
    },
  };
}
