import type { Api } from './api.ts';
import { byTopic } from './by-topic.ts';
import { brokerError } from './error-codes.ts';
import type { TopicPartition } from './kafka.ts';

/** Who writes: Kafka's producer id, and the epoch that fences all earlier ones. */
export interface ProducerIdentity {
  producerId: bigint;
  epoch: number;
}

/**
 *   request  := transactionalId? · timeoutMs i32 · v3+ producerId i64 · epoch i16 (-1: a new one)
 *   response := throttle i32 · error i16 · producerId i64 · epoch i16
 */
export const initProducerId = (id: string, timeoutMs: number): Api<ProducerIdentity> => ({
  key: 22,
  name: 'InitProducerId',
  versions: [0, 4],
  flexibleFrom: 2,
  encode: (writer, version) => {
    writer.nullableString(id);
    writer.int32(timeoutMs);
    if (version >= 3) {
      writer.int64(-1);
      writer.int16(-1);
    }
    writer.tags();
  },
  decode: (reader) => {
    reader.int32();
    const code = reader.int16();
    if (code !== 0) throw brokerError(code, `init of transactional id ${id}`);
    return { producerId: reader.bigint64(), epoch: reader.int16() };
  },
});

/**
 * From version 4 on it is for brokers. All partitions or none are added.
 *
 *   request  := transactionalId · producerId i64 · epoch i16 · [topic · [partition i32]]
 *   response := throttle i32 · [topic · [partition i32 · error i16]]
 */
export const addPartitionsToTxn = (
  id: string,
  identity: ProducerIdentity,
  partitions: readonly TopicPartition[],
): Api<void> => ({
  key: 24,
  name: 'AddPartitionsToTxn',
  versions: [0, 3],
  flexibleFrom: 3,
  encode: (writer) => {
    writer.string(id);
    writer.int64(identity.producerId);
    writer.int16(identity.epoch);
    writer.array(byTopic(partitions), ([topic, list]) => {
      writer.string(topic);
      writer.array(list, ({ partition }) => writer.int32(partition));
      writer.tags();
    });
    writer.tags();
  },
  decode: (reader) => {
    reader.int32();
    const results = reader
      .array(() => {
        const topic = reader.string();
        const found = reader.array(() => {
          const result = { topic, partition: reader.int32(), code: reader.int16() };
          reader.tags();
          return result;
        });
        reader.tags();
        return found;
      })
      .flat();
    const failed = results.filter(({ code }) => code !== 0);
    // Where one partition fails the others were "not attempted", which explains nothing.
    const worst = failed.find(({ code }) => code !== operationNotAttempted) ?? failed[0];
    if (worst) throw brokerError(worst.code, `adding to the transaction of ${id}`, worst);
  },
});

const operationNotAttempted = 55;

/**
 *   request  := transactionalId · producerId i64 · epoch i16 · commit bool
 *   response := throttle i32 · error i16
 */
export const endTxn = (id: string, identity: ProducerIdentity, commit: boolean): Api<void> => ({
  key: 26,
  name: 'EndTxn',
  versions: [0, 4],
  flexibleFrom: 3,
  changesOnce: true,
  encode: (writer) => {
    writer.string(id);
    writer.int64(identity.producerId);
    writer.int16(identity.epoch);
    writer.boolean(commit);
    writer.tags();
  },
  decode: (reader) => {
    reader.int32();
    const code = reader.int16();
    if (code !== 0) throw brokerError(code, `${commit ? 'commit' : 'abort'} of ${id}`);
  },
});
