import { expect, onTestFinished, test } from 'vitest';
import { openInlineLanding } from '#central/landing/embedded.ts';
import { openMemoryDatabase } from '#central/landing/embedded-open.ts';
import { openKafkaLanding } from '#central/landing/kafka.ts';
import { shardOf } from '#central/landing/kafka-names.ts';
import { soleOwner } from '#central/landing/kafka-owners.ts';
import type { Landing } from '#central/landing/landing.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import type { Naming } from '#shared/wire/mm2-topics.ts';
import { type Read, readAll } from '../../contract/landing-dump.ts';
import { Site } from '../../contract/landing-site.ts';
import { MemoryCluster } from '../../sim/memory-kafka.ts';
import { kafkaOptions } from './kafka-options.ts';

const shards = 4;

async function inKafka(cluster: MemoryCluster, more: Partial<typeof kafkaOptions>) {
  const landing = await openKafkaLanding(
    { ...kafkaOptions, shards, ...more },
    { kafka: cluster.open(), clock: systemClock, log: silentLog, owners: soleOwner },
  );
  await landing.serve(null);
  onTestFinished(() => landing.close());
  return landing;
}

type Open = (naming: Naming) => Promise<Landing>;

/** Opens the same landing each time. */
const kinds: [string, () => Open][] = [
  [
    'Kafka, in memory',
    () => {
      const cluster = new MemoryCluster();
      return (naming) => inKafka(cluster, { naming });
    },
  ],
  [
    'embedded',
    () => {
      const database = openMemoryDatabase();
      const limits = { retentionMs: Number.POSITIVE_INFINITY, maxBytes: 2 ** 40 };
      const deps = { clock: systemClock, log: silentLog };
      return async (naming) => openInlineLanding(database, { naming, ...limits }, deps);
    },
  ],
];

const textOf = ({ value }: Read): string => String(value);
const valuesOf = (site: Site, from: number, count: number) =>
  Array.from({ length: count }, (_, i) => `${site.alias}/readings/${from + i}`);

test.each(kinds)('%s: what was merged goes on as what lands so, and back', async (_, begin) => {
  const open = begin();
  const site = new Site('factory-a');
  const land = async (naming: Naming, remoteTopic: string, mergedTopics: string[]) => {
    const landing = await open(naming);
    const segments = [site.segment(2, { remoteTopic, mergedTopics })];
    await landing.commit([site.hello(1), site.write(2, { segments })]);
    const kind = (await landing.topics()).find(({ topic }) => topic === 'readings')!.kind;
    const [row] = await landing.checkpoints({});
    const checkpoint = [row!.remoteTopic, ...row!.merged.map(({ topic }) => topic)];
    const values = (await readAll(landing, 'readings', 0)).map(textOf);
    await landing.close();
    return { kind, checkpoint, values };
  };
  expect(await land('default', 'factory-a.readings', ['readings'])).toEqual({
    ...{ kind: 'merged', checkpoint: ['factory-a.readings', 'readings'] },
    values: valuesOf(site, 0, 2),
  });
  expect(await land('identity', 'readings', [])).toEqual({
    ...{ kind: 'remote', checkpoint: ['readings'], values: valuesOf(site, 0, 4) },
  });
  expect(await land('default', 'factory-a.readings', ['readings'])).toEqual({
    ...{ kind: 'merged', checkpoint: ['factory-a.readings', 'readings'] },
    values: valuesOf(site, 0, 6),
  });
});

test.each(kinds)('%s: of a stream of losses alone, the name is that of now', async (_, begin) => {
  const open = begin();
  const site = new Site('factory-a');
  const nameUnder = async (naming: Naming) => {
    const landing = await open(naming);
    await landing.commit([site.hello(1), site.write(2, { losses: [site.loss(1)] })]);
    const [row] = await landing.checkpoints({});
    await landing.close();
    return row!.remoteTopic;
  };
  expect(await nameUnder('identity')).toBe('readings');
  expect(await nameUnder('default')).toBe('factory-a.readings');
});

test('shards write beside each other into one topic, which grows with the largest site', async () => {
  const landing = await inKafka(new MemoryCluster(), { naming: 'identity' });
  const sites = Array.from({ length: 6 }, (_, i) => new Site(`factory-${i}`));
  expect(new Set(sites.map(({ alias }) => shardOf(alias, shards))).size).toBeGreaterThan(1);
  const rounds = 10;
  await Promise.all(
    sites.map(async (site, i) => {
      await landing.commit([site.hello(1)]);
      for (let round = 0; round < rounds; round++) {
        const partition = round % (1 + (i % 3));
        const place = { partition, partitionCount: 1 + (i % 3) };
        const segment = site.segment(3, { ...place, remoteTopic: 'readings', mergedTopics: [] });
        await landing.commit([site.write(2, { segments: [segment] })]);
      }
    }),
  );
  const row = (await landing.topics()).find(({ topic }) => topic === 'readings')!;
  expect(row).toMatchObject({ kind: 'remote' });
  expect(row.partitions).toHaveLength(3);
  let records = 0;
  for (const { partition } of row.partitions) {
    const values = (await readAll(landing, 'readings', partition)).map(textOf);
    records += values.length;
    for (const site of sites) {
      const own = values.filter((value) => value.startsWith(`${site.alias}/`));
      expect(own).toEqual(valuesOf(site, 0, own.length));
    }
  }
  expect(records).toBe(sites.length * rounds * 3);
});

test("what several sites wrote together is nobody's past: a later flow does not copy it", async () => {
  const cluster = new MemoryCluster();
  const before = await inKafka(cluster, { naming: 'identity' });
  // With a dot in it, it looks like a topic of the site "line".
  const sites = [new Site('line'), new Site('factory-b')];
  for (const site of sites) {
    const topic = { topic: 'line.orders', remoteTopic: 'line.orders', mergedTopics: [] };
    const segments = [site.segment(2, topic)];
    await before.commit([site.hello(1)]);
    await before.commit([site.write(2, { segments })]);
  }
  await before.close();
  const fillTargets = (topic: string) => (topic === 'line.orders' ? ['all'] : []);
  const after = await inKafka(cluster, {
    copies: { externalTargets: () => [], fillTargets, feedTargets: fillTargets, any: true },
  });
  expect(after.copies()).toEqual([]);
  const segments = [sites[0]!.segment(1, { mergedTopics: ['all'] })];
  await after.commit([sites[0]!.write(3, { segments })]);
  expect(await readAll(after, 'all', 0)).toHaveLength(1);
});
