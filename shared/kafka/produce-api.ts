import type { Api } from './api.ts';
import { byTopic, partitionKey } from './by-topic.ts';
import { brokerError } from './error-codes.ts';
import { KafkaError, type TopicPartition } from './kafka.ts';
import type { ProtocolReader } from './protocol-reader.ts';
import type { StampedBatch } from './stamped-batch.ts';

export interface ProducePart extends TopicPartition, Pick<StampedBatch, 'header' | 'payload'> {}

/** Offset of the first record, or why the partition did not take it. By partitionKey. */
export type ProduceAnswer = Map<string, number | KafkaError>;

const allInSync = -1;

/**
 * One batch for each of several partitions that a broker leads. Version 7 brought zstd, 8 reasons,
 * 9 compact fields, 10 the new leader (in tags, which we skip), 11 TRANSACTION_ABORTABLE; 12 adds
 * partitions to the transaction by itself, which we do beforehand.
 *
 *   request  := transactionalId? · acks i16 · timeoutMs i32 · [topic · [partition i32 · records]]
 *   response := [topic · [partition i32 · error i16 · baseOffset i64 · appendTime i64
 *               · logStart i64 · v8+ [batchIndex i32 · message?] · v8+ message?]] · throttle i32
 */
export const produce = (
  transactionalId: string,
  timeoutMs: number,
  parts: readonly ProducePart[],
): Api<ProduceAnswer> => ({
  key: 0,
  name: 'Produce',
  versions: [7, 11],
  flexibleFrom: 9,
  encode: (writer) => {
    writer.nullableString(transactionalId);
    writer.int16(allInSync);
    writer.int32(timeoutMs);
    writer.array(byTopic(parts), ([topic, list]) => {
      writer.string(topic);
      writer.array(list, ({ partition, header, payload }) => {
        writer.int32(partition);
        writer.bytesSize(header.length + payload.length);
        writer.raw(header);
        writer.raw(payload);
        writer.tags();
      });
      writer.tags();
    });
    writer.tags();
  },
  decode: (reader, version) => {
    const answer: ProduceAnswer = new Map();
    reader.array(() => {
      const topic = reader.string();
      reader.array(() => {
        const { partition, outcome } = readPart(reader, version, topic);
        answer.set(partitionKey({ topic, partition }), outcome);
      });
      reader.tags();
    });
    return answer;
  },
});

function readPart(reader: ProtocolReader, version: number, topic: string) {
  const partition = reader.int32();
  const code = reader.int16();
  const baseOffset = reader.int64();
  reader.int64();
  reader.int64();
  const reasons = version >= 8 ? readReasons(reader) : null;
  reader.tags();
  if (code === 0) return { partition, outcome: baseOffset };
  const error = brokerError(code, 'producing', { topic, partition, message: reasons });
  return { partition, outcome: error.code === 'missing' ? asUnavailable(error) : error };
}

function readReasons(reader: ProtocolReader): string | null {
  const ofRecords = reader.array(() => {
    const index = reader.int32();
    const message = reader.nullableString();
    reader.tags();
    return `record ${index}: ${message ?? 'no reason given'}`;
  });
  const ofAll = reader.nullableString();
  return [ofAll, ofRecords[0]].filter(Boolean).join('; ') || null;
}

/**
 * For what one broker says and another knows better. That a topic is missing: the cluster has just
 * told us who leads it, and the leader may be the last to hear; where it is gone, the next look at
 * the cluster says so. That we are fenced: see ProducePipe.
 */
export const asUnavailable = (error: KafkaError): KafkaError =>
  new KafkaError('unavailable', error.message, {
    cause: error,
    kafkaCode: error.kafkaCode ?? undefined,
    topic: error.topic,
    partition: error.partition,
  });
