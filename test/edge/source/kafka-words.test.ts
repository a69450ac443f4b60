import { expect, test } from 'vitest';
import { type KafkaTopic, newPart } from '#edge/source/kafka-topic.ts';
import { inWords, type KafkaView } from '#edge/source/kafka-words.ts';

const topicBehind = (records: number): KafkaTopic => {
  const part = newPart({ topic: 'orders', partition: 0, next: 5 });
  part.end = 5 + records;
  return {
    ...{ topic: 'orders', incarnation: 'a', partitions: 1, held: undefined },
    parts: new Map([[0, part]]),
  } as unknown as KafkaTopic;
};

const detail = (over: Partial<KafkaView>) =>
  inWords({
    ...{ brokers: ['kafka:9092'], topics: new Map(), leftOut: new Map(), looped: 0, events: [] },
    ...{ trouble: undefined, ...over },
  }).detail;

const trouble = 'its brokers do not answer';

test('a cluster that was never reached is not said to be read to its end', () => {
  expect(detail({ trouble })).toBe(trouble);
});

test('while a cluster does not answer it is not known how far behind it is', () => {
  const topics = (records: number) => new Map([['orders', topicBehind(records)]]);
  const where = '1 topic, 1 partition of kafka:9092';
  expect(detail({ topics: topics(1) })).toBe(`${where}; 1 record behind`);
  expect(detail({ topics: topics(0), trouble })).toBe(
    `${where}; not known how far behind; ${trouble}`,
  );
  expect(detail({ topics: topics(2), trouble })).toBe(
    `${where}; at least 2 records behind; ${trouble}`,
  );
});
