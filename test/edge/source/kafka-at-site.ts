import { onTestFinished } from 'vitest';
import type { RecordBuffer } from '#edge/buffer/buffer.ts';
import { openKafkaSource } from '#edge/source/kafka.ts';
import type { KafkaSettings } from '#edge/source/kafka-settings.ts';
import type { DeliveredRecord, SourceContext } from '#edge/source/source.ts';
import type { Kafka, TopicPartition } from '#shared/kafka/kafka.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { openBatch, stripProvenance } from '#shared/wire/record-batch.ts';
import { readAll, segments } from '../../contract/buffer.ts';
import { eventually } from '../../contract/eventually.ts';
import type { ReadRecord } from '../../kafka/clients.ts';
import { kafkaSettings } from './kafka-world.ts';

/** A source over a real cluster, stopped with the test. */
export async function sourceAt(
  bootstrap: string,
  context: SourceContext,
  more: Partial<KafkaSettings> = {},
) {
  const connection = { brokers: bootstrap.split(','), tls: {}, sasl: {} };
  const settings = kafkaSettings({ connection, refreshMs: 200, ...more });
  const source = openKafkaSource(settings, context, {
    ...{ alias: 'factory-a', clock: systemClock, random: Math.random, log: silentLog },
  });
  onTestFinished(() => source.stop());
  await source.start();
  return source;
}

export type SourceAt = Awaited<ReturnType<typeof sourceAt>>;

/** Resolves when the source has read what is committed in this topic now. */
export async function readToEnd(source: SourceAt, kafka: Kafka, topic: string): Promise<void> {
  const [info] = await kafka.admin.topics([topic]);
  const partitions = info!.partitions.map(({ partition }) => ({ topic, partition }));
  const ends = await kafka.admin.offsets(partitions, 'latest', 'committed');
  await eventually(() => {
    const at = new Map(
      source
        .cluster()
        ?.positions()
        .map((one) => [keyOf(one), one.next]),
    );
    for (const [i, of] of partitions.entries()) {
      const next = at.get(keyOf(of)) ?? -1;
      if (next < ends[i]!) {
        throw new Error(`${keyOf(of)} is read to ${next} of ${ends[i]}; ${source.state().detail}`);
      }
    }
  });
}

const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;

interface Comparable {
  partition: number;
  offset: number;
  timestamp: number;
  key: string | null;
  value: string | null;
  headers: (readonly [string, string | null])[];
}

const hex = (bytes: Buffer | null): string | null => bytes?.toString('hex') ?? null;

const comparable = (
  record: Pick<DeliveredRecord, 'key' | 'value' | 'headers' | 'timestamp'>,
  { partition, offset }: { partition: number; offset: number },
): Comparable => ({
  ...{ partition, offset, timestamp: record.timestamp },
  key: hex(record.key),
  value: hex(record.value),
  headers: record.headers.map(([name, value]) => [name, hex(value)] as const),
});

const inOrder = (all: Comparable[]): Comparable[] =>
  all.sort((a, b) => a.partition - b.partition || a.offset - b.offset);

/** What a source delivered, and what Kafka's own consumer reads, told in the same words. */
export const delivered = (records: readonly DeliveredRecord[]): Comparable[] =>
  inOrder(
    records.map((one) => comparable(one, { partition: one.partition!, offset: one.sourceOffset! })),
  );

export const consumed = (records: readonly ReadRecord[]): Comparable[] =>
  inOrder(records.map((one) => comparable(one, one)));

/** What a buffer holds of a topic, in the order of its streams, with its places at the source. */
export async function keptIn(buffer: RecordBuffer, topic: string): Promise<Comparable[]> {
  const kept: Comparable[] = [];
  for (const frame of segments(await readAll(buffer, 8 << 20))) {
    if (frame.topic !== topic) continue;
    const offsets = frame.runs.flatMap(({ sourceOffset, count }) =>
      Array.from({ length: count }, (_, i) => sourceOffset + i),
    );
    for (const [i, record] of openBatch(frame.batch).entries()) {
      const place = { partition: frame.partition, offset: offsets[i]! };
      kept.push(comparable(stripProvenance(record), place));
    }
  }
  return kept.sort((a, b) => a.partition - b.partition);
}
