import { describe, expect, onTestFinished, test } from 'vitest';
import { openKafkaSource } from '#edge/source/kafka.ts';
import type { Kafka } from '#shared/kafka/kafka.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { eventually } from '../../contract/eventually.ts';
import { FakeBuffer } from '../../contract/fake-buffer.ts';
import { javaWrite } from '../../kafka/clients.ts';
import { fetchAnswers, throttles } from '../../kafka/false-apis.ts';
import { kafkaMissing } from '../../kafka/missing.ts';
import { unique } from '../../kafka/shared.ts';
import { FalseCluster } from '../../shared/kafka/false-cluster.ts';
import { kafkaSettings } from './kafka-world.ts';

/** What a broker may do to a source that reads from it, and what kafkajs' consumer makes of it. */
describe.skipIf(kafkaMissing)('a source and brokers that misbehave', () => {
  const cluster = new FalseCluster({ brokers: 1 });

  async function begin(kafka: Kafka, topics: string[]) {
    const buffer = new FakeBuffer();
    const settings = kafkaSettings({ topics, refreshMs: 200 });
    const { admin, reads, producer, join } = kafka;
    const source = openKafkaSource(settings, buffer, {
      ...{ alias: 'factory-a', clock: systemClock, random: Math.random, log: silentLog },
      open: () => ({ admin, reads, producer, join, close: async () => {} }),
    });
    onTestFinished(() => source.stop());
    await source.start();
    return { source, buffer };
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
    const { buffer } = await begin(cluster.client(), [topic]);
    await eventually(() => expect(buffer.records).toHaveLength(200_000));
    expect(buffer.records.every(({ sourceOffset }, i) => sourceOffset === i)).toBe(true);
  });

  test('B13: told by mistake that its position is gone, it stays where it is', async () => {
    const writer = await cluster.writer(1);
    await writer.through('0');
    const { buffer, source } = await begin(writer.kafka, [writer.topic]);
    await eventually(() => expect(buffer.values()).toEqual(['0']));
    const placed = cluster.front.add({
      ...{ api: 'Fetch', times: 3 },
      answer: fetchAnswers(({ fail }) => fail('OFFSET_OUT_OF_RANGE')),
    });
    await eventually(() => expect(placed.hits).toBe(3));
    await writer.through('1');
    await eventually(() => expect(buffer.values()).toEqual(['0', '1']));
    expect(buffer.losses).toEqual([]);
    await eventually(() => expect(source.state().state).toBe('running'));
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
  ] as const)('it has everything once and in order from a broker that $how', async ({ fault }) => {
    const writer = await cluster.writer(1);
    const { buffer } = await begin(writer.kafka, [writer.topic]);
    await writer.through('0');
    await eventually(() => expect(buffer.values()).toHaveLength(1));
    const placed = cluster.front.add({ api: 'Fetch', ...fault });
    await eventually(() => expect(placed.hits).toBe(1));
    await writer.through('1');
    await eventually(() => expect(buffer.values()).toEqual(['0', '1']));
  });
});
