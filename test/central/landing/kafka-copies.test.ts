import { afterEach, describe, expect, test } from 'vitest';
import { openKafkaLanding } from '#central/landing/kafka.ts';
import type { CopyFlows } from '#central/landing/kafka-copy-sources.ts';
import type { KafkaLanding } from '#central/landing/kafka-landing.ts';
import { soleOwner } from '#central/landing/kafka-owners.ts';
import type { Kafka } from '#shared/kafka/kafka.ts';
import { KafkaError } from '#shared/kafka/kafka.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import type { Provenance, WireRecord } from '#shared/wire/record.ts';
import { sealBatch } from '#shared/wire/record-batch.ts';
import { type Read, readAll, sequenceOf } from '../../contract/landing-dump.ts';
import { Site } from '../../contract/landing-site.ts';
import { MemoryCluster } from '../../sim/memory-kafka.ts';
import { Random } from '../../sim/random.ts';
import { kafkaOptions } from './kafka-options.ts';

let open: KafkaLanding | undefined;
afterEach(async () => {
  await open?.abandon();
  open = undefined;
});

/** A collector that has no share of the fleet. */
const nobody = () => ({ leave: async () => {}, ownerOf: () => null, contested: () => {} });

const none = () => [];
const nothing: CopyFlows = {
  ...{ externalTargets: none, fillTargets: none, feedTargets: none, any: false },
};

async function collector(
  cluster: MemoryCluster,
  copies: Partial<CopyFlows>,
  opened: () => void = () => {},
) {
  await open?.abandon();
  open = await openKafkaLanding(
    { ...kafkaOptions, copies: { ...nothing, any: true, ...copies }, flows: String(Math.random()) },
    { kafka: cluster.open(), clock: systemClock, log: silentLog, owners: soleOwner },
  );
  opened();
  await open.serve(null);
  return open;
}

const fromOthers = (start: 'earliest' | 'latest') => ({
  externalTargets: (topic: string) =>
    topic.endsWith('.orders') ? [{ into: 'orders', start }] : [],
});

/** Somebody else's producer. */
async function publish(
  kafka: Kafka,
  topic: string,
  records: Partial<WireRecord>[],
  provenance?: Provenance,
): Promise<void> {
  const producer = kafka.producer({ transactionalId: `other-${topic}`, transactionTimeoutMs: 1 });
  await producer.init();
  const whole = records.map((record) => {
    return { key: null, value: null, headers: [], timestamp: 1, ...record };
  });
  await producer.send([
    { topic, partition: 0, batch: sealBatch(whole, { compression: 'none', provenance }) },
  ]);
  await producer.commit();
}

const value = ({ value }: Read): string => String(value);
const header = ({ headers }: Read, name: string): string | undefined =>
  headers.find(([one]) => one === name)?.[1]?.toString();

const topicOf = (cluster: MemoryCluster, topic: string) =>
  cluster.create({ topic, partitions: 1, replicationFactor: 1, configs: {} });

const merged = async (landing: KafkaLanding, topic = 'orders') => {
  const rows = await landing.topics();
  return rows.some((row) => row.topic === topic) ? readAll(landing, topic, 0) : [];
};

describe('topics that others write', () => {
  test('are merged with their provenance: who, which topic, which life of it, which offset', async () => {
    const cluster = new MemoryCluster();
    topicOf(cluster, 'plant-b.orders');
    const other = cluster.open();
    await publish(other, 'plant-b.orders', [
      { value: Buffer.from('0') },
      { value: Buffer.from('1') },
    ]);
    const landing = await collector(cluster, fromOthers('earliest'));
    await publish(
      other,
      'plant-b.orders',
      [
        {
          key: Buffer.from('k'),
          value: Buffer.from('2'),
          headers: [
            ['b', null],
            ['a', Buffer.from('x')],
          ],
          timestamp: 77,
        },
      ],
      { alias: 'forged', topic: 'x', epoch: 'f'.repeat(32), firstSequence: 9 },
    );
    await expect.poll(() => merged(landing), { timeout: 8_000 }).toHaveLength(3);
    const all = await merged(landing);
    expect(all.map(value)).toEqual(['0', '1', '2']);
    // A marker stands between the two transactions of the source.
    expect(all.map(sequenceOf)).toEqual([0, 1, 3]);
    expect(all[2]).toMatchObject({ key: Buffer.from('k'), timestamp: 77 });
    expect(all[2]!.headers.map(([name]) => name)).toEqual([
      'b',
      'a',
      'tributary.alias',
      'tributary.topic',
      'tributary.epoch',
      'tributary.sequence',
    ]);
    expect(header(all[2]!, 'tributary.alias')).toBe('plant-b');
    expect(header(all[2]!, 'tributary.topic')).toBe('orders');
    expect(header(all[2]!, 'tributary.epoch')).toBe(cluster.topics.get('plant-b.orders')?.id);
  });

  test('a flow that begins with the latest takes what comes from then on', async () => {
    const cluster = new MemoryCluster();
    topicOf(cluster, 'plant-b.orders');
    const other = cluster.open();
    await publish(other, 'plant-b.orders', [{ value: Buffer.from('old') }]);
    const landing = await collector(cluster, fromOthers('latest'));
    await expect
      .poll(
        async () => {
          await publish(other, 'plant-b.orders', [{ value: Buffer.from('new') }]);
          return (await merged(landing)).length;
        },
        { timeout: 8_000 },
      )
      .toBeGreaterThan(0);
    expect(new Set((await merged(landing)).map(value))).toEqual(new Set(['new']));
  });

  test('are merged once, whatever fails and whoever takes over (two seeds)', async () => {
    for (let seed = 1; seed <= 2; seed++) {
      const random = new Random(seed);
      const cluster = new MemoryCluster();
      topicOf(cluster, 'plant-b.orders');
      const other = cluster.open();
      let landing = await collector(cluster, fromOthers('earliest'));
      let sent = 0;
      for (let i = 0; i < 12; i++) {
        cluster.fault = () => {};
        const records = Array.from({ length: random.between(1, 4) }, () => {
          return { value: Buffer.from(String(sent++)) };
        });
        await publish(other, 'plant-b.orders', records);
        cluster.fault = (step, when) => {
          if (!random.chance(0.1)) return;
          const code = step === 'commit' ? 'uncertain' : 'unavailable';
          throw new KafkaError(code, `${step} ${when} (seed ${seed})`);
        };
        await systemClock.sleep(random.between(0, 8));
        if (!random.chance(0.3)) continue;
        cluster.fault = () => {};
        landing = await collector(cluster, fromOthers('earliest'));
      }
      cluster.fault = () => {};
      await expect
        .poll(async () => (await merged(landing)).map(value), {
          message: `seed ${seed}`,
          timeout: 9000,
        })
        .toEqual([...Array(sent).keys()].map(String));
    }
  }, 60_000);
});

describe('every collector tells', () => {
  test('how far each copy has come, whoever makes it, and through when it is complete', async () => {
    const cluster = new MemoryCluster();
    topicOf(cluster, 'plant-b.orders');
    const other = cluster.open();
    await publish(other, 'plant-b.orders', [{ value: Buffer.from('0') }]);
    const landing = await collector(cluster, fromOthers('earliest'));
    const watcher = await openKafkaLanding(
      {
        ...{ ...kafkaOptions, flows: 'other' },
        copies: { ...nothing, any: true, ...fromOthers('earliest') },
      },
      { kafka: cluster.open(), clock: systemClock, log: silentLog, owners: nobody },
    );
    try {
      void watcher.serve(null);
      for (const one of [landing, watcher]) {
        await expect
          .poll(() => one.copies()[0]?.completeAt, { timeout: 9_000 })
          .toBeTypeOf('number');
        expect(one.copies()).toMatchObject([
          {
            ...{ into: 'orders', from: 'plant-b.orders', alias: 'plant-b', topic: 'orders' },
            ...{ own: false, records: 1, behind: 0, trouble: null },
          },
        ]);
      }
    } finally {
      await watcher.abandon();
    }
  }, 30_000);

  test('why a copy stands still, and of a past how much has yet to come', async () => {
    const cluster = new MemoryCluster();
    topicOf(cluster, 'plant-b.orders');
    await publish(cluster.open(), 'plant-b.orders', [{ value: Buffer.from('0') }]);
    const landing = await collector(cluster, fromOthers('earliest'), () => {
      cluster.fault = (step) => {
        if (step === 'create') throw new KafkaError('denied', 'not allowed to create "orders"');
      };
    });
    await expect
      .poll(() => landing.copies()[0]?.trouble, { timeout: 9_000 })
      .toContain('not allowed to create "orders"');
    expect(landing.copies()).toMatchObject([{ records: 0, behind: null, completeAt: null }]);
  });

  test('a copy that is refused as if all were closed, and is not, waits and says why', async () => {
    const cluster = new MemoryCluster();
    topicOf(cluster, 'plant-b.orders');
    await publish(cluster.open(), 'plant-b.orders', [{ value: Buffer.from('0') }]);
    let refused = 0;
    const landing = await collector(cluster, fromOthers('earliest'), () => {
      cluster.fault = (step) => {
        // One that spins is let go, so that this fails and does not hang.
        if (step !== 'send' || refused > 100) return;
        refused += 1;
        throw new KafkaError('closed', 'the producer was closed');
      };
    });
    await expect
      .poll(() => landing.copies()[0]?.trouble, { timeout: 9_000 })
      .toContain('the producer was closed');
    expect(refused).toBeLessThan(5);
    cluster.fault = () => {};
    await expect.poll(() => merged(landing), { timeout: 8_000 }).toHaveLength(1);
  });
});

describe('a flow that is added later', () => {
  const all = { fillTargets: (topic: string) => (topic.endsWith('.readings') ? ['all'] : []) };

  test('with start = "earliest" has what is older before what is newer, once', async () => {
    const cluster = new MemoryCluster();
    let landing = await collector(cluster, {});
    const [a, b] = [new Site('factory-a'), new Site('factory-b')];
    const land = (site: Site, count: number, mergedTopics: string[]) =>
      landing.commit([site.write(2, { segments: [site.segment(count, { mergedTopics })] })]);
    await landing.commit([a.hello(1)]);
    await landing.commit([b.hello(1)]);
    for (let i = 0; i < 5; i++) await land(a, 3, []);
    await land(b, 2, []);
    for (const _ of ['added', 'restarted']) {
      landing = await collector(cluster, all);
      for (let i = 0; i < 10; i++) await land(a, 2, ['all']);
      await land(b, 1, ['all']);
    }
    await land(a, 1, ['all']);
    const expected = { 'factory-a': 15 + 40 + 1, 'factory-b': 2 + 2 };
    await expect
      .poll(async () => (await merged(landing, 'all')).length, { timeout: 8_000 })
      .toBe(60);
    const read = await merged(landing, 'all');
    for (const [alias, count] of Object.entries(expected)) {
      const own = read.filter((record) => header(record, 'tributary.alias') === alias);
      expect(own.map(sequenceOf)).toEqual([...Array(count).keys()]);
    }
  });

  test('is filled to the end although it no longer asks for what is older', async () => {
    const cluster = new MemoryCluster();
    let landing = await collector(cluster, {});
    const site = new Site('factory-a');
    const land = (count: number, mergedTopics: string[]) =>
      landing.commit([site.write(2, { segments: [site.segment(count, { mergedTopics })] })]);
    await landing.commit([site.hello(1)]);
    const large = { valueBytes: 300_000, mergedTopics: [] };
    for (let i = 0; i < 8; i++) {
      await landing.commit([site.write(2, { segments: [site.segment(3, large)] })]);
    }
    // It comes as far as its first piece.
    cluster.fault = (step, when) => {
      const copied = cluster.topics.get('all')?.partitions[0]?.length ?? 0;
      if (step !== 'send' || when === 'after' || copied < 2) return;
      throw new KafkaError('denied', 'no right to write', { topic: 'all', partition: 0 });
    };
    landing = await collector(cluster, all);
    const many = async () => (await merged(landing, 'all')).length;
    await expect.poll(many, { timeout: 8_000 }).toBe(3);
    await landing.abandon();
    cluster.fault = () => {};
    const { fillTargets: feedTargets } = all;
    landing = await collector(cluster, { feedTargets, any: false });
    await land(2, ['all']);
    const expected = [...Array(26).keys()];
    await expect
      .poll(async () => (await merged(landing, 'all')).map(sequenceOf), { timeout: 8_000 })
      .toEqual(expected);
    await land(1, ['all']);
    await expect.poll(many, { timeout: 8_000 }).toBe(27);
  });

  test('goes on with what lands also where the answer to the copy got lost', async () => {
    const cluster = new MemoryCluster();
    let landing = await collector(cluster, {});
    const site = new Site('factory-a');
    const land = (mergedTopics: string[]) =>
      landing.commit([site.write(2, { segments: [site.segment(2, { mergedTopics })] })]);
    await landing.commit([site.hello(1)]);
    await land([]);
    let lost = 0;
    cluster.fault = (step, when) => {
      const copies = cluster.topics.get('all')?.partitions[0]?.length ?? 0;
      if (step !== 'commit' || when !== 'after' || lost > 0 || copies === 0) return;
      lost += 1;
      throw new KafkaError('uncertain', 'no answer');
    };
    landing = await collector(cluster, all);
    await expect.poll(() => merged(landing, 'all'), { timeout: 8_000 }).toHaveLength(2);
    expect(lost).toBe(1);
    for (let i = 0; i < 3; i++) await land(['all']);
    const expected = [...Array(8).keys()];
    await expect
      .poll(async () => (await merged(landing, 'all')).map(sequenceOf), { timeout: 8_000 })
      .toEqual(expected);
  });

  test('with start = "latest" has only what lands from then on', async () => {
    const cluster = new MemoryCluster();
    let landing = await collector(cluster, {});
    const site = new Site('factory-a');
    await landing.commit([site.hello(1)]);
    await landing.commit([site.write(2, { segments: [site.segment(3, { mergedTopics: [] })] })]);
    landing = await collector(cluster, {});
    await landing.commit([
      site.write(3, { segments: [site.segment(2, { mergedTopics: ['all'] })] }),
    ]);
    expect((await merged(landing, 'all')).map(sequenceOf)).toEqual([3, 4]);
  });
});
