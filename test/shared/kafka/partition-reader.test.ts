import { afterEach, expect, test } from 'vitest';
import type { Fetched, TopicPartition } from '#shared/kafka/kafka.ts';
import { PartitionReader, type PartitionReaderOptions } from '#shared/kafka/partition-reader.ts';
import { systemClock } from '#shared/std/clock.ts';
import { eventually, quietly } from '../../contract/eventually.ts';
import { FakeKafka } from './fake-kafka.ts';
import { logBatch } from './log-batches.ts';

const batch = (value: string) => logBatch({ baseOffset: 0, records: [value] });
const readers: PartitionReader[] = [];
afterEach(async () => {
  await Promise.all(readers.splice(0).map((one) => one.stop()));
});

function kafkaWith(partitions: number): FakeKafka {
  const kafka = new FakeKafka();
  kafka.create('t', partitions);
  return kafka;
}

function begin(kafka: FakeKafka, options: Partial<PartitionReaderOptions>) {
  const errors: string[] = [];
  const reader = new PartitionReader(
    kafka.reads,
    {
      isolation: 'committed',
      onFetched: async () => {},
      onError: (_, { message }) => void errors.push(message),
      ...options,
    },
    { clock: systemClock, random: () => 0.1 },
  );
  readers.push(reader);
  for (const [partition, { leader }] of kafka.topics.get('t')!.logs.entries()) {
    reader.add({ topic: 't', partition, leader, offset: 0 });
  }
  return { reader, errors };
}

test('a partition that is taken over slowly holds up no other, nor is it overrun', async () => {
  const kafka = kafkaWith(2);
  let release = () => {};
  let [now, most, fast] = [0, 0, 0];
  begin(kafka, {
    onFetched: async ({ partition }) => {
      if (partition === 1) {
        fast += 1;
        return;
      }
      most = Math.max(most, ++now);
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      now -= 1;
    },
  });
  kafka.append('t', 0, batch('slow'));
  await eventually(() => expect(now).toBe(1));
  for (let i = 0; i < 20; i++) {
    kafka.append('t', 0, batch('slow'));
    kafka.append('t', 1, batch('fast'));
    await eventually(() => expect(fast).toBe(i + 1));
  }
  expect([now, most]).toEqual([1, 1]);
  release();
  await eventually(() => expect(now).toBe(1));
  expect(most).toBe(1);
  release();
  await eventually(() => expect(now).toBe(0));
});

test('no more is asked for while too much waits to be taken over', async () => {
  const kafka = kafkaWith(20);
  const size = batch('x'.repeat(1000)).length;
  let [inHand, most, done] = [0, 0, 0];
  const releases: (() => void)[] = [];
  begin(kafka, {
    maxBytes: 5 * size,
    onFetched: async (_, { batches }) => {
      for (const { bytes } of batches) inHand += bytes.length;
      most = Math.max(most, inHand);
      await new Promise<void>((resolve) => releases.push(resolve));
      for (const { bytes } of batches) inHand -= bytes.length;
      done += 1;
    },
  });
  for (let i = 0; i < 20; i++) {
    kafka.append('t', i, batch('x'.repeat(1000)));
    await quietly();
  }
  // two rounds of two leaders may be under way when the limit is passed
  expect(most).toBeLessThanOrEqual(9 * size);
  while (done < 20) {
    for (const release of releases.splice(0)) release();
    await quietly();
  }
});

test('what a handler rejects comes again, and nothing of that partition before it', async () => {
  const kafka = kafkaWith(1);
  let refuse = 3;
  const seen: number[] = [];
  const { errors } = begin(kafka, {
    onFetched: async (_, { batches }) => {
      if (refuse-- > 0) throw new Error('not now');
      for (const { baseOffset } of batches) seen.push(baseOffset);
    },
  });
  kafka.append('t', 0, batch('a'));
  await eventually(() => expect(errors.length).toBeGreaterThan(0));
  kafka.append('t', 0, batch('b'));
  await eventually(() => expect(seen).toEqual([0, 1]));
  expect(errors).toEqual(['not now', 'not now', 'not now']);
});

test('what was asked for before a seek, or a removal, counts for nothing', async () => {
  const kafka = kafkaWith(2);
  for (const value of ['a', 'b', 'c']) kafka.append('t', 0, batch(value));
  const positions: number[] = [];
  const taken: Fetched[] = [];
  let release = () => {};
  const { reader } = begin(kafka, {
    onFetched: async (_, fetched) => {
      taken.push(fetched);
      if (taken.length > 1) return;
      await new Promise<void>((resolve) => {
        release = resolve;
      });
    },
    onPosition: ({ partition }: TopicPartition, offset) => {
      if (partition === 0) positions.push(offset);
    },
  });
  await eventually(() => expect(taken).toHaveLength(1));
  reader.seek({ topic: 't', partition: 0 }, { offset: 2 });
  release();
  await eventually(() => expect(positions.at(-1)).toBe(3));
  expect(taken[1]!.batches.map(({ baseOffset }) => baseOffset)).toEqual([2]);
  reader.remove({ topic: 't', partition: 0 });
  const { length } = positions;
  kafka.append('t', 0, batch('d'));
  await quietly();
  expect(positions).toHaveLength(length);
});

test('stopped, it hands over nothing more, and waits for what it has handed over', async () => {
  const kafka = kafkaWith(1);
  kafka.append('t', 0, batch('a'));
  let release = () => {};
  let [isTaken, begun] = [false, false];
  const { reader } = begin(kafka, {
    onFetched: async () => {
      begun = true;
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      isTaken = true;
    },
  });
  await eventually(() => expect(begun).toBe(true));
  const stopping = reader.stop();
  release();
  await stopping;
  expect(isTaken).toBe(true);
  const { length } = kafka.rounds;
  kafka.append('t', 0, batch('b'));
  await quietly();
  expect(kafka.rounds).toHaveLength(length);
});
