import { afterEach, expect, test } from 'vitest';
import { Follow, type FollowOptions } from '#shared/kafka/follow.ts';
import { KafkaError, type TopicPartition } from '#shared/kafka/kafka.ts';
import { openRecords } from '#shared/kafka/open-records.ts';
import { systemClock } from '#shared/std/clock.ts';
import { eventually, quietly } from '../../contract/eventually.ts';
import { FakeKafka } from './fake-kafka.ts';
import { logBatch } from './log-batches.ts';

const batch = (...values: string[]) => logBatch({ baseOffset: 0, records: values });
const followed: Follow[] = [];
afterEach(async () => {
  await Promise.all(followed.splice(0).map((one) => one.stop()));
});

function begin(kafka: FakeKafka, options: Partial<FollowOptions> = {}) {
  const seen: string[] = [];
  const errors: Error[] = [];
  const follow = new Follow(
    kafka,
    {
      topics: ['t'],
      isolation: 'committed',
      refreshMs: 20,
      onBatches: ({ topic, partition }, batches) => {
        for (const { bytes } of batches) {
          for (const { value, offset } of openRecords(bytes)) {
            seen.push(`${topic}-${partition}@${offset} ${value}`);
          }
        }
      },
      onError: (error) => errors.push(error),
      ...options,
    },
    { clock: systemClock, random: () => 0.1 },
  );
  followed.push(follow);
  return { follow, seen, errors };
}

function kafkaWith(partitions: number): FakeKafka {
  const kafka = new FakeKafka();
  kafka.create('t', partitions);
  return kafka;
}

test('hands over whole topics in the order of each partition, and goes on', async () => {
  const kafka = kafkaWith(2);
  for (let i = 0; i < 10; i++) kafka.append('t', i % 2, batch(`${i}`, `${i}+`));
  const { seen } = begin(kafka);
  await eventually(() => expect(seen).toHaveLength(20));
  kafka.append('t', 1, batch('later'));
  await eventually(() => expect(seen.at(-1)).toBe('t-1@10 later'));
  const ofNull = seen.filter((one) => one.startsWith('t-0')).map((one) => one.split(' ')[1]);
  expect(ofNull).toEqual(['0', '0+', '2', '2+', '4', '4+', '6', '6+', '8', '8+']);
});

test('read to the end is what was there at the call, offsets without records included', async () => {
  const kafka = kafkaWith(2);
  kafka.append('t', 0, batch('a'));
  kafka.skip('t', 0, 1);
  const { follow, seen } = begin(kafka);
  await follow.readToEnd();
  expect(seen).toEqual(['t-0@0 a']);
  expect(follow.position({ topic: 't', partition: 0 })).toBe(2);
  await follow.readToEnd([{ topic: 't', partition: 1 }]);
  kafka.append('t', 1, batch('b'));
  await follow.readToEnd([{ topic: 't', partition: 1 }]);
  expect(seen).toEqual(['t-0@0 a', 't-1@0 b']);
});

test('read to the end waits for what is handed over still', async () => {
  const kafka = kafkaWith(1);
  kafka.append('t', 0, batch('a'));
  let release = () => {};
  const { follow } = begin(kafka, {
    onBatches: () =>
      new Promise((resolve) => {
        release = resolve;
      }),
  });
  let isDone = false;
  const reading = follow.readToEnd().then(() => {
    isDone = true;
  });
  await quietly();
  expect(isDone).toBe(false);
  release();
  await reading;
});

test('caught up is told once, when all that was there has been handed over', async () => {
  const kafka = kafkaWith(3);
  for (let i = 0; i < 30; i++) kafka.append('t', i % 3, batch(`${i}`));
  let caughtUp = 0;
  let sawThen = 0;
  const { seen } = begin(kafka, {
    onCaughtUp: () => {
      caughtUp += 1;
      sawThen = seen.length;
    },
  });
  await eventually(() => expect(caughtUp).toBe(1));
  expect(sawThen).toBe(30);
  kafka.append('t', 0, batch('more'));
  await eventually(() => expect(seen).toHaveLength(31));
  expect(caughtUp).toBe(1);
});

test('a partition that is taken over slowly holds up no other, nor is it overrun', async () => {
  const kafka = kafkaWith(2);
  let release = () => {};
  let most = 0;
  let now = 0;
  const seen: string[] = [];
  begin(kafka, {
    onBatches: async ({ partition }) => {
      if (partition === 1) return void seen.push('fast');
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
    await eventually(() => expect(seen).toHaveLength(i + 1));
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
  let inHand = 0;
  let most = 0;
  let done = 0;
  const releases: (() => void)[] = [];
  const { follow } = begin(kafka, {
    maxBytes: 5 * size,
    onBatches: async (_, batches) => {
      for (const { bytes } of batches) inHand += bytes.length;
      most = Math.max(most, inHand);
      await new Promise<void>((resolve) => releases.push(resolve));
      for (const { bytes } of batches) inHand -= bytes.length;
      done += 1;
    },
  });
  await follow.readToEnd();
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
  const seen: string[] = [];
  const { errors } = begin(kafka, {
    onBatches: (_, batches) => {
      if (refuse-- > 0) throw new Error('not now');
      for (const { baseOffset } of batches) seen.push(`${baseOffset}`);
    },
  });
  kafka.append('t', 0, batch('a'));
  await eventually(() => expect(errors.length).toBeGreaterThan(0));
  kafka.append('t', 0, batch('b'));
  await eventually(() => expect(seen).toEqual(['0', '1']));
  expect(errors.map(({ message }) => message)).toEqual(['not now', 'not now', 'not now']);
});

test('a cluster that is down at the start, and later, is waited for', async () => {
  const kafka = kafkaWith(1);
  kafka.isDown = true;
  kafka.append('t', 0, batch('a'));
  const { seen, errors, follow } = begin(kafka);
  const reading = follow.readToEnd();
  await eventually(() => expect(errors.length).toBeGreaterThan(1));
  kafka.isDown = false;
  await reading;
  kafka.isDown = true;
  kafka.append('t', 0, batch('b'));
  await quietly();
  kafka.isDown = false;
  await eventually(() => expect(seen).toEqual(['t-0@0 a', 't-0@1 b']));
});

test('a partition that fails is tried again; the others go on meanwhile', async () => {
  const kafka = kafkaWith(2);
  kafka.fail('t', 0, new KafkaError('unavailable', 'no leader'));
  kafka.append('t', 0, batch('a'));
  kafka.append('t', 1, batch('b'));
  const told: (TopicPartition | undefined)[] = [];
  const { seen } = begin(kafka, { onError: (_, of) => told.push(of) });
  await eventually(() => expect(seen).toEqual(['t-1@0 b']));
  expect(told).toContainEqual({ topic: 't', partition: 0 });
  kafka.fail('t', 0, undefined);
  await eventually(() => expect(seen).toEqual(['t-1@0 b', 't-0@0 a']));
});

test('new topics and new partitions are followed from their beginning', async () => {
  const kafka = kafkaWith(1);
  const { seen } = begin(kafka, { topics: ['t', 'u'] });
  await quietly();
  kafka.create('u');
  kafka.append('u', 0, batch('first'));
  kafka.grow('t', 2);
  kafka.append('t', 1, batch('second'));
  await eventually(() => expect(seen.toSorted()).toEqual(['t-1@0 second', 'u-0@0 first']));
});

test('it begins where it is told', async () => {
  const kafka = kafkaWith(3);
  for (const partition of [0, 1, 2]) {
    kafka.append('t', partition, batch('a'));
    kafka.append('t', partition, batch('b'));
  }
  const from = ({ partition }: TopicPartition) => (['earliest', 'latest', 1] as const)[partition]!;
  const { seen, follow } = begin(kafka, { from });
  await follow.readToEnd();
  kafka.append('t', 1, batch('c'));
  await follow.readToEnd();
  expect(seen.toSorted()).toEqual(['t-0@0 a', 't-0@1 b', 't-1@2 c', 't-2@1 b']);
});

test('single partitions of a topic are followed alone', async () => {
  const kafka = kafkaWith(3);
  for (const partition of [0, 1, 2]) kafka.append('t', partition, batch(`${partition}`));
  const { seen, follow } = begin(kafka, { topics: [], partitions: [{ topic: 't', partition: 1 }] });
  await follow.readToEnd();
  await quietly();
  expect(seen).toEqual(['t-1@0 1']);
});

test('a position that retention passed begins at what is left, and that is told', async () => {
  const kafka = kafkaWith(1);
  for (const value of ['a', 'b', 'c']) kafka.append('t', 0, batch(value));
  kafka.trim('t', 0, 2);
  const { seen, errors, follow } = begin(kafka, { from: () => 0 });
  await follow.readToEnd();
  expect(seen).toEqual(['t-0@2 c']);
  expect(errors).toMatchObject([{ code: 'out-of-range' }]);
});

test('a topic that was created anew is read from its beginning, and that is told', async () => {
  const kafka = kafkaWith(1);
  kafka.append('t', 0, batch('old'));
  const { seen, errors, follow } = begin(kafka);
  await follow.readToEnd();
  kafka.create('t');
  for (const value of ['new', 'newer', 'newest']) kafka.append('t', 0, batch(value));
  await eventually(() => expect(seen).toHaveLength(4));
  expect(seen.slice(1)).toEqual(['t-0@0 new', 't-0@1 newer', 't-0@2 newest']);
  expect(errors).toContainEqual(expect.objectContaining({ code: 'out-of-range' }));
});

test('stopped, it hands over nothing more, and whoever waits is told', async () => {
  const kafka = kafkaWith(1);
  kafka.append('t', 0, batch('a'));
  let release = () => {};
  let isTaken = false;
  const { follow } = begin(kafka, {
    onBatches: async () => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      isTaken = true;
    },
  });
  const reading = follow.readToEnd();
  const outcome = reading.catch((error) => error);
  await quietly();
  const stopping = follow.stop();
  release();
  await stopping;
  expect(isTaken).toBe(true);
  expect(await outcome).toMatchObject({ code: 'closed' });
  const { length } = kafka.rounds;
  kafka.append('t', 0, batch('b'));
  await quietly();
  expect(kafka.rounds).toHaveLength(length);
});
