import { onTestFinished } from 'vitest';
import type { Isolation, Kafka, OutgoingBatch, TopicPartition } from '#shared/kafka/kafka.ts';
import { openKafka } from '#shared/kafka/open-kafka.ts';
import { openRecords } from '#shared/kafka/open-records.ts';
import { silentLog } from '#shared/std/log.ts';
import { sealBatch } from '#shared/wire/record-batch.ts';
import { textRecord } from './log-batches.ts';

/** A client of a real cluster, closed with the test. */
export function clientOf(
  bootstrap: string,
  settings: Partial<Parameters<typeof openKafka>[0]> = {},
): Kafka {
  const brokers = bootstrap.split(',');
  const kafka = openKafka({ brokers, clientId: 'test', ...settings }, { log: silentLog });
  onTestFinished(() => kafka.close());
  return kafka;
}

/** Those values as one sealed batch. */
export const outgoing = (
  topic: string,
  partition: number,
  values: readonly string[],
): OutgoingBatch => ({
  topic,
  partition,
  batch: sealBatch(
    values.map((value) => ({ ...textRecord(value), timestamp: Date.now() })),
    { compression: 'none' },
  ),
});

/** All values of a partition, as a reader of that isolation sees them now. */
export async function valuesOf(
  kafka: Kafka,
  at: TopicPartition,
  isolation: Isolation = 'committed',
): Promise<string[]> {
  const [end] = await kafka.admin.offsets([at], 'latest', isolation);
  const values: string[] = [];
  let offset = 0;
  while (offset < end!) {
    const [fetched] = await kafka.reads.fetch([{ ...at, offset }], { maxWaitMs: 100, isolation });
    if (fetched!.error) throw fetched!.error;
    for (const { bytes } of fetched!.batches) {
      for (const record of openRecords(bytes)) {
        if (record.offset >= offset) values.push(`${record.value}`);
      }
    }
    offset = fetched!.nextOffset;
  }
  return values;
}
