import { beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../contract/eventually.ts';
import { FakeBuffer } from '../../contract/fake-buffer.ts';
import { javaRead, javaWrite, type WriteStep } from '../../kafka/clients.ts';
import { sharedKafka, sharedKafkaMissing, unique } from '../../kafka/shared.ts';
import { clientOf } from '../../shared/kafka/real-cluster.ts';
import { consumed, delivered, readToEnd, sourceAt } from './kafka-at-site.ts';

if (sharedKafkaMissing) console.log(`Skipped: ${sharedKafkaMissing}`);

describe.skipIf(sharedKafkaMissing)('a source over a real cluster', () => {
  let bootstrap: string;
  beforeAll(async () => {
    bootstrap = await sharedKafka();
  });

  /** Times long past: the broker's retention, which looks every few minutes, would take them. */
  const forever = { 'retention.ms': '-1' };
  const odd = (topic: string): WriteStep[] => [
    { topic, partition: 0, key: 'k', value: 'v', timestamp: 1_700_000_000_123, headers: [] },
    { topic, partition: 1, key: Buffer.from([0, 255, 10]), value: null },
    { topic, partition: 1, key: null, value: Buffer.alloc(0) },
    {
      ...{ topic, partition: 0, key: null, value: 'headers' },
      headers: [
        ['b', '1'],
        ['a', null],
        ['b', '1'],
        ['b', Buffer.from([255])],
        ['', ''],
      ],
    },
    { topic, partition: 0, key: 'k', value: null, timestamp: 0 },
  ];

  test.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'])(
    'takes what a Java producer wrote, byte for byte: %s',
    async (compression) => {
      const topic = unique('codec');
      const generated = { do: 'generate', topic, count: 3_000, bytes: 200, keys: 7 } as const;
      await javaWrite(
        bootstrap,
        [
          { do: 'create', topic, partitions: 2, configs: forever },
          ...odd(topic),
          generated,
          ...odd(topic),
        ],
        { 'compression.type': compression, 'linger.ms': '5' },
      );
      const buffer = new FakeBuffer();
      const source = await sourceAt(bootstrap, buffer, { topics: [topic] });
      await readToEnd(source, clientOf(bootstrap), topic);
      const read = await javaRead(bootstrap, { topics: [topic] });
      expect(read).toHaveLength(3_010);
      expect(delivered(buffer.records)).toEqual(consumed(read));
    },
    60_000,
  );

  test.each(['read_committed', 'read_uncommitted'] as const)(
    'takes of transactions what a consumer with %s is shown',
    async (isolation) => {
      const topic = unique('txn');
      const some = (seed: number) =>
        ({ do: 'generate', topic, count: 50, bytes: 40, seed }) as const;
      const steps: WriteStep[] = [{ do: 'create', topic, partitions: 3 }];
      for (let i = 0; i < 8; i++) {
        steps.push({ do: 'begin' }, some(i), { do: i % 3 === 1 ? 'abort' : 'commit' });
      }
      await javaWrite(bootstrap, steps, { 'transactional.id': unique('id') });
      const buffer = new FakeBuffer();
      const source = await sourceAt(bootstrap, buffer, { topics: [topic], isolation });
      await readToEnd(source, clientOf(bootstrap), topic);
      const read = await javaRead(bootstrap, { topics: [topic], isolation });
      expect(read.length).toBe(isolation === 'read_committed' ? 250 : 400);
      expect(delivered(buffer.records)).toEqual(consumed(read));
      // … and the marker at the end is behind us on disk, too.
      const kafka = clientOf(bootstrap);
      const [end] = await kafka.admin.offsets([{ topic, partition: 0 }], 'latest');
      await eventually(() => {
        const kept = buffer.stored.get(`kafka/at/${topic}/0`);
        expect(JSON.parse(String(kept))).toMatchObject({ next: end });
      });
    },
    60_000,
  );

  test('what was deleted before it was read is a declared loss, and the rest is taken', async () => {
    const topic = unique('purged');
    const kafka = clientOf(bootstrap);
    const write = (count: number, seed: number) =>
      javaWrite(bootstrap, [{ do: 'generate', topic, partition: 0, count, seed }]);
    await kafka.admin.createTopic({ topic, partitions: 1, replicationFactor: 1, configs: {} });
    await write(100, 1);
    const buffer = new FakeBuffer();
    const first = await sourceAt(bootstrap, buffer, { topics: [topic] });
    await readToEnd(first, kafka, topic);
    await first.stop();
    await write(200, 2);
    await kafka.admin.deleteRecords([{ topic, partition: 0, offset: 250 }]);
    const source = await sourceAt(bootstrap, buffer, { topics: [topic] });
    await readToEnd(source, kafka, topic);
    expect(buffer.losses).toMatchObject([{ topic, records: 150, partition: 0 }]);
    expect(buffer.records.map(({ sourceOffset }) => sourceOffset)).toEqual(
      Array.from({ length: 300 }, (_, i) => i).filter((i) => i < 100 || i >= 250),
    );
    expect(source.state().detail).toContain('offsets 100 to 249');
  }, 60_000);

  test('a topic created anew: its new life from the beginning, or a halt that says so', async () => {
    const topic = unique('again');
    const kafka = clientOf(bootstrap);
    const create = (partitions: number) =>
      eventually(() => undefined).then(() =>
        kafka.admin.createTopic({ topic, partitions, replicationFactor: 1, configs: {} }),
      );
    const write = (count: number, seed: number) =>
      javaWrite(bootstrap, [{ do: 'generate', topic, partition: 0, count, bytes: 30, seed }]);
    await create(2);
    await write(20, 1);
    const [appended, halted] = [new FakeBuffer(), new FakeBuffer()];
    const append = await sourceAt(bootstrap, appended, { topics: [topic] });
    const halt = await sourceAt(bootstrap, halted, { topics: [topic], onRecreate: 'halt' });
    await Promise.all([append, halt].map((source) => readToEnd(source, kafka, topic)));
    await kafka.admin.deleteTopic(topic);
    await expect.poll(() => kafka.admin.topics([topic])).toEqual([]);
    await create(1);
    // Longer than the life before: by offsets alone nobody would see it.
    await write(50, 2);
    await readToEnd(append, kafka, topic);
    const { id } = (await kafka.admin.topics([topic]))[0]!;
    const last = appended.deliveries.filter(({ incarnation }) => incarnation === id);
    const records = last.flatMap((delivery) => delivery.records);
    expect(records.map(({ sourceOffset }) => sourceOffset)).toEqual([...Array(50).keys()]);
    expect(records.every(({ value }) => String(value).startsWith('2:'))).toBe(true);
    await eventually(() => expect(halt.state().detail).toContain('on_recreate = "append"'));
    expect(halt.state().state).toBe('degraded');
    expect(halted.records).toHaveLength(20);
  }, 90_000);

  test('new topics and new partitions are found within seconds', async () => {
    const kafka = clientOf(bootstrap);
    const base = unique('grow');
    const create = (topic: string) =>
      kafka.admin.createTopic({ topic, partitions: 1, replicationFactor: 1, configs: {} });
    await create(`${base}-a`);
    const buffer = new FakeBuffer();
    const topics = [`${base}-.*`];
    const source = await sourceAt(bootstrap, buffer, { topics, refreshMs: 500, start: 'latest' });
    await readToEnd(source, kafka, `${base}-a`);
    await create(`${base}-b`);
    await kafka.admin.growTopic(`${base}-a`, 3);
    const began = performance.now();
    await javaWrite(bootstrap, [
      { topic: `${base}-b`, partition: 0, value: 'new topic' },
      { topic: `${base}-a`, partition: 2, value: 'new partition' },
    ]);
    await buffer.until(() => buffer.records.length === 2);
    expect(buffer.values().toSorted()).toEqual(['new partition', 'new topic']);
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(buffer.deliveries.at(-1)!.partitions).toBe(
      buffer.deliveries.at(-1)!.topic.endsWith('a') ? 3 : 1,
    );
  }, 60_000);

  test('a compacted topic is taken as its log is, holes and all', async () => {
    const topic = unique('compact');
    const configs = {
      ...{ 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '0.01' },
      ...{ 'segment.ms': '100', 'max.compaction.lag.ms': '100', 'min.compaction.lag.ms': '0' },
    };
    await javaWrite(bootstrap, [{ do: 'create', topic, configs }]);
    const kafka = clientOf(bootstrap);
    const left = async () => {
      await javaWrite(bootstrap, [{ do: 'generate', topic, partition: 0, count: 20, keys: 3 }]);
      return (await javaRead(bootstrap, { topics: [topic] })).length;
    };
    await javaWrite(bootstrap, [{ do: 'generate', topic, partition: 0, count: 500, keys: 3 }]);
    await expect.poll(left, { timeout: 60_000, interval: 2_000 }).toBeLessThan(450);
    const buffer = new FakeBuffer();
    const source = await sourceAt(bootstrap, buffer, { topics: [topic] });
    await readToEnd(source, kafka, topic);
    await source.stop();
    const read = await javaRead(bootstrap, { topics: [topic] });
    const took = new Map(delivered(buffer.records).map((one) => [one.offset, one]));
    // The cleaner may have gone on since; what is left is all there.
    expect(consumed(read).map((one) => took.get(one.offset))).toEqual(consumed(read));
    expect(buffer.losses).toEqual([]);
  }, 120_000);
});
