import { describe, expect, onTestFinished, test } from 'vitest';
import type { Fetched, Kafka } from '#shared/kafka/kafka.ts';
import { openRecords } from '#shared/kafka/open-records.ts';
import { batchAttribute, batchField, batchHeaderBytes } from '#shared/wire/batch-layout.ts';
import { eventually } from '../../contract/eventually.ts';
import { javaWrite } from '../../kafka/clients.ts';
import { answers, fetchAnswers } from '../../kafka/false-apis.ts';
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
  });

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
