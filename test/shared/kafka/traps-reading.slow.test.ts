import { describe, expect, onTestFinished, test } from 'vitest';
import { follow } from '#shared/kafka/follow.ts';
import type { Fetched, Kafka } from '#shared/kafka/kafka.ts';
import { openRecords } from '#shared/kafka/open-records.ts';
import { batchAttribute, batchField, batchHeaderBytes } from '#shared/wire/batch-layout.ts';
import { eventually } from '../../contract/eventually.ts';
import { javaWrite } from '../../kafka/clients.ts';
import { answers, fetchAnswers, throttles } from '../../kafka/false-apis.ts';
import { kafkaMissing } from '../../kafka/missing.ts';
import { unique } from '../../kafka/shared.ts';
import { FalseCluster } from './false-cluster.ts';

/**
 * The traps of kafkajs that concern reading (B9, B10, B12, B13 of its study), each as a promise of
 * shared/kafka, against a real broker behind a false one; and what else a broker may do to readers
 * and members.
 */
describe.skipIf(kafkaMissing)('what kafkajs gets wrong in reading', () => {
  const cluster = new FalseCluster({ brokers: 1 });

  const fetch = async (
    kafka: Kafka,
    topic: string,
    offset: number,
    maxBytes?: number,
  ): Promise<Fetched> => {
    const options = { maxWaitMs: 100, isolation: 'committed', maxBytes: 64 << 20 } as const;
    return (await kafka.reads.fetch([{ topic, partition: 0, offset, maxBytes }], options))[0]!;
  };
  const recordsOf = ({ batches }: Fetched) =>
    batches.flatMap(({ bytes }) => [...openRecords(bytes)]);

  const valuesIn = (fetched: Fetched) => recordsOf(fetched).map(({ value }) => `${value}`);

  /** Everything of a topic, by its offsets, as it is followed. */
  function followed(kafka: Kafka, topics: string[], more = {}) {
    const seen: string[] = [];
    const errors: string[] = [];
    const running = follow(kafka, {
      topics,
      isolation: 'committed',
      refreshMs: 200,
      onBatches: ({ topic, partition }, batches) => {
        for (const { value, offset } of batches.flatMap(({ bytes }) => [...openRecords(bytes)])) {
          seen.push(`${topic}-${partition}@${offset} ${value}`);
        }
      },
      onError: (error) => errors.push(`${(error as { code?: string }).code}`),
      ...more,
    });
    onTestFinished(() => running.stop());
    return { seen, errors };
  }

  test('B9: 200 000 records in one answer are just many', async () => {
    const topic = unique('trap');
    await javaWrite(
      cluster.kafka.bootstrap,
      [
        { do: 'create', topic, configs: { 'max.message.bytes': '10000000' } },
        { do: 'generate', topic, partition: 0, count: 200_000, bytes: 8, keys: 1 },
      ],
      { 'compression.type': 'zstd', 'batch.size': '8000000', 'linger.ms': '3000' },
    );
    const kafka = cluster.client();
    const fetched = await fetch(kafka, topic, 0, 32 << 20);
    expect(fetched.error).toBeNull();
    const offsets = recordsOf(fetched).map(({ offset }) => offset);
    expect(offsets.length).toBeGreaterThan(120_000);
    expect(offsets.every((offset, i) => offset === i)).toBe(true);
    const { seen } = followed(kafka, [topic]);
    await eventually(() => expect(seen).toHaveLength(200_000));
  });

  test.each([
    { what: 'record', place: batchHeaderBytes + 3 },
    { what: 'header', place: batchField.lastOffsetDelta + 3 },
    { what: 'CRC', place: batchField.crc },
  ])(
    'B10: a batch with a damaged $what is not given, and comes whole when asked again',
    async ({ place }) => {
      const writer = await cluster.writer(1);
      for (const value of ['one', 'two']) await writer.through(value);
      await writer.holds(0, ['one', 'two']);
      const { kafka, topic } = writer;
      const damage = (which: number) =>
        cluster.front.add({
          api: 'Fetch',
          answer: fetchAnswers(({ records }) => {
            records[dataBatches(records)[which]! + place]! ^= 0x01;
          }),
        });
      damage(0);
      const first = await fetch(kafka, topic, 0);
      expect(first).toMatchObject({ batches: [], nextOffset: 0 });
      expect(first.error).toMatchObject({ kafkaCode: 'CORRUPT_MESSAGE', topic, partition: 0 });
      damage(1);
      const second = await fetch(kafka, topic, 0);
      expect(valuesIn(second)).toEqual(['one']);
      const rest = await fetch(kafka, topic, second.nextOffset);
      expect(rest.error).toBeNull();
      expect(valuesIn(rest)).toEqual(['two']);
    },
  );

  test('an answer that ends in the middle of a batch loses nothing', async () => {
    const writer = await cluster.writer(1);
    const all = Array.from({ length: 12 }, (_, i) => `${i}`.padEnd(400, '.'));
    for (const value of all) await writer.send(value);
    await writer.producer.commit();
    const { kafka, topic } = writer;
    for (const maxBytes of [1, 500, 700, 1300, 5000]) {
      const read: string[] = [];
      await eventually(async () => {
        let offset = 0;
        read.length = 0;
        while (offset < 13) {
          const fetched = await fetch(kafka, topic, offset, maxBytes);
          expect(fetched.error).toBeNull();
          read.push(...valuesIn(fetched));
          expect(fetched.nextOffset).toBeGreaterThan(offset);
          offset = fetched.nextOffset;
        }
      });
      expect(read).toEqual(all);
    }
  });

  test('B12: topics and partitions that come later are followed within the time that is set', async () => {
    const kafka = cluster.client();
    const [known, later] = [unique('trap'), unique('trap')];
    const create = { partitions: 1, replicationFactor: 1, configs: {} };
    await kafka.admin.createTopic({ topic: known, ...create });
    const { seen, errors } = followed(kafka, [known, later]);
    const [before] = await kafka.admin.offsets([{ topic: known, partition: 0 }], 'latest');
    expect(before).toBe(0);
    await kafka.admin.createTopic({ topic: later, ...create });
    await kafka.admin.growTopic(known, 2);
    await javaWrite(cluster.kafka.bootstrap, [
      { topic: later, partition: 0, value: 'a' },
      { topic: known, partition: 1, value: 'b' },
    ]);
    await eventually(() =>
      expect(seen.toSorted()).toEqual([`${known}-1@0 b`, `${later}-0@0 a`].toSorted()),
    );
    // That a topic is not there yet may be told, and nothing else.
    expect(errors.filter((code) => code !== 'missing')).toEqual([]);
  });

  test('B13: a position that is out of range is an error, and never another position', async () => {
    const writer = await cluster.writer(1);
    for (const value of ['0', '1', '2']) await writer.through(value);
    const { kafka, topic } = writer;
    await writer.holds(0, ['0', '1', '2']);
    await kafka.admin.deleteRecords([{ topic, partition: 0, offset: 4 }]);
    for (const offset of [0, 99]) {
      const fetched = await fetch(kafka, topic, offset);
      expect(fetched.error).toMatchObject({ code: 'out-of-range', topic, partition: 0 });
      expect(fetched).toMatchObject({ nextOffset: offset, batches: [] });
    }
    const fetched = await fetch(kafka, topic, 4);
    expect(valuesIn(fetched)).toEqual(['2']);
    // Who follows is told, and goes on where the log begins: nothing of what is there is left out.
    const { seen, errors } = followed(kafka, [topic], { from: () => 1 });
    await eventually(() => expect(seen).toEqual([`${topic}-0@4 2`]));
    expect(errors).toEqual(['out-of-range']);
  });

  test('B13: told so by mistake, the reader comes back to where the log begins, and says so', async () => {
    const writer = await cluster.writer(1);
    await writer.through('0');
    const { seen, errors } = followed(writer.kafka, [writer.topic]);
    await eventually(() => expect(seen).toEqual([`${writer.topic}-0@0 0`]));
    cluster.front.add({
      api: 'Fetch',
      answer: fetchAnswers(({ fail }) => fail('OFFSET_OUT_OF_RANGE')),
    });
    await eventually(() => expect(errors).toEqual(['out-of-range']));
    await writer.through('1');
    const values = () => seen.map((one) => one.split(' ')[1]);
    await eventually(() => expect(values().at(-1)).toBe('1'));
    expect(new Set(values())).toEqual(new Set(['0', '1']));
  });

  test.each([
    { how: 'falls silent', fault: { request: 'half-open' } },
    { how: 'swallows an answer', fault: { answer: 'drop' } },
    { how: 'swallows a request', fault: { request: 'drop' } },
    { how: 'closes', fault: { request: 'close' } },
    { how: 'closes instead of answering', fault: { answer: 'close' } },
    { how: 'takes its time', fault: { delayMs: 500 } },
    { how: 'throttles', fault: { answer: throttles(1000) } },
    {
      how: 'says that another leads',
      fault: { answer: fetchAnswers(({ fail }) => fail('NOT_LEADER_OR_FOLLOWER')) },
    },
  ] as const)(
    'followers get everything once and in order from a broker that $how',
    async ({ fault }) => {
      const writer = await cluster.writer(1);
      const { seen } = followed(writer.kafka, [writer.topic], { maxWaitMs: 200 });
      await writer.through('0');
      await eventually(() => expect(seen).toHaveLength(1));
      const placed = cluster.front.add({ api: 'Fetch', ...fault });
      await eventually(() => expect(placed.hits).toBe(1));
      await writer.through('1');
      await eventually(() => expect(seen.map((one) => one.split(' ')[1])).toEqual(['0', '1']));
    },
  );

  test('a storm of rebalances ends with the assignment as it was, one join for each', async () => {
    const storms = 15;
    const kafka = cluster.client();
    const told: (string | null)[] = [];
    const membership = kafka.join({
      groupId: unique('group'),
      metadata: 'one',
      sessionTimeoutMs: 6000,
      heartbeatIntervalMs: 50,
      rebalanceTimeoutMs: 6000,
      assign: (members) => new Map(members.map(({ memberId }) => [memberId, 'all'])),
      onAssignment: (assignment) => told.push(assignment),
    });
    onTestFinished(() => membership.leave());
    await eventually(() => expect(told).toEqual(['all']));
    const joins = () => cluster.front.seen.filter(({ api }) => api === 'JoinGroup').length;
    const before = joins();
    const storm = cluster.front.add({
      api: 'Heartbeat',
      times: storms,
      answer: answers('REBALANCE_IN_PROGRESS'),
    });
    await eventually(() => expect(storm.hits).toBe(storms));
    const beats = () => cluster.front.seen.filter(({ api }) => api === 'Heartbeat').length;
    const calm = beats();
    await eventually(() => expect(beats()).toBeGreaterThan(calm + 3));
    expect(joins() - before).toBeLessThanOrEqual(storms + 1);
    expect(told).toEqual(['all']);
  });
});

/** Where batches begin that are no markers. */
function dataBatches(records: Buffer): number[] {
  const found: number[] = [];
  for (let at = 0; at < records.length; ) {
    const attributes = records.readInt16BE(at + batchField.attributes);
    if ((attributes & batchAttribute.control) === 0) found.push(at);
    at += records.readInt32BE(at + batchField.batchLength) + batchField.leaderEpoch;
  }
  return found;
}
