import type { Api } from './api.ts';
import { byTopic } from './by-topic.ts';
import { brokerError } from './error-codes.ts';
import type { GroupOffset, Isolation, KafkaError, TopicPartition } from './kafka.ts';
import type { ProtocolReader } from './protocol-reader.ts';

/** What one partition answered; -1 where there is nothing at that time. */
export interface PartitionOffset extends TopicPartition {
  error: KafkaError | null;
  offset: number;
}

/** Of every partition of every topic, in the answer's order. */
function readPartitions<T>(reader: ProtocolReader, read: (topic: string) => T): T[] {
  return reader
    .array(() => {
      const topic = reader.string();
      const found = reader.array(() => {
        const one = read(topic);
        reader.tags();
        return one;
      });
      reader.tags();
      return found;
    })
    .flat();
}

/** Instead of a timestamp. */
export const special = { latest: -1, earliest: -2 } as const;

/**
 *   request  := replica i32 (-1) · isolation i8 · [topic · [partition i32 · v4+ leaderEpoch i32
 *               · timestamp i64]]
 *   response := throttle i32 · [topic · [partition i32 · error i16 · timestamp i64 · offset i64
 *               · v4+ leaderEpoch i32]]
 */
export const listOffsets = (
  partitions: readonly TopicPartition[],
  timestamp: number,
  isolation: Isolation,
): Api<PartitionOffset[]> => ({
  key: 2,
  name: 'ListOffsets',
  versions: [2, 7],
  flexibleFrom: 6,
  encode: (writer, version) => {
    writer.int32(-1);
    writer.int8(isolation === 'committed' ? 1 : 0);
    writer.array(byTopic(partitions), ([topic, list]) => {
      writer.string(topic);
      writer.array(list, ({ partition }) => {
        writer.int32(partition);
        if (version >= 4) writer.int32(-1);
        writer.int64(timestamp);
        writer.tags();
      });
      writer.tags();
    });
    writer.tags();
  },
  decode: (reader, version) => {
    reader.int32();
    return readPartitions(reader, (topic) => {
      const partition = reader.int32();
      const code = reader.int16();
      reader.int64();
      const offset = reader.int64();
      if (version >= 4) reader.int32();
      const what = 'looking up an offset';
      const error = code === 0 ? null : brokerError(code, what, { topic, partition });
      return { topic, partition, error, offset };
    });
  },
});

/**
 *   request  := [topic · [partition i32 · offset i64]] · timeoutMs i32
 *   response := throttle i32 · [topic · [partition i32 · lowWatermark i64 · error i16]]
 */
export const deleteRecords = (
  before: readonly (TopicPartition & { offset: number })[],
  timeoutMs: number,
): Api<PartitionOffset[]> => ({
  key: 21,
  name: 'DeleteRecords',
  versions: [0, 2],
  flexibleFrom: 2,
  encode: (writer) => {
    writer.array(byTopic(before), ([topic, list]) => {
      writer.string(topic);
      writer.array(list, ({ partition, offset }) => {
        writer.int32(partition);
        writer.int64(offset);
        writer.tags();
      });
      writer.tags();
    });
    writer.int32(timeoutMs);
    writer.tags();
  },
  decode: (reader) => {
    reader.int32();
    return readPartitions(reader, (topic) => {
      const partition = reader.int32();
      const offset = reader.int64();
      const code = reader.int16();
      const error = code === 0 ? null : brokerError(code, 'deleting records', { topic, partition });
      return { topic, partition, error, offset };
    });
  },
});

/**
 * All that the group has.
 *
 *   request  := group · [topic · [partition]]? (null: all) · v7+ requireStable bool
 *   response := v3+ throttle i32 · [topic · [partition i32 · offset i64 · v5+ leaderEpoch i32
 *               · metadata? · error i16]] · error i16
 */
export const offsetFetch = (group: string): Api<GroupOffset[]> => ({
  key: 9,
  name: 'OffsetFetch',
  versions: [2, 7],
  flexibleFrom: 6,
  encode: (writer, version) => {
    writer.string(group);
    writer.array(null, () => {});
    if (version >= 7) writer.boolean(false);
    writer.tags();
  },
  decode: (reader, version) => {
    if (version >= 3) reader.int32();
    const what = `reading the offsets of group ${group}`;
    const found = readPartitions(reader, (topic) => {
      const partition = reader.int32();
      const offset = reader.int64();
      if (version >= 5) reader.int32();
      const metadata = reader.nullableString() ?? '';
      const code = reader.int16();
      if (code !== 0) throw brokerError(code, what, { topic, partition });
      return { topic, partition, offset, metadata };
    });
    const code = reader.int16();
    if (code !== 0) throw brokerError(code, what);
    // -1: it was removed while the answer was made.
    return found.filter(({ offset }) => offset >= 0);
  },
});

/**
 * As somebody who is no member (generation -1): taken only while the group has none.
 *
 *   request  := group · generation i32 · member · v7+ instance? · v2-4 retentionMs i64
 *               · [topic · [partition i32 · offset i64 · v6+ leaderEpoch i32 · metadata?]]
 *   response := v3+ throttle i32 · [topic · [partition i32 · error i16]]
 */
export const offsetCommit = (group: string, offsets: readonly GroupOffset[]): Api<void> => ({
  key: 8,
  name: 'OffsetCommit',
  versions: [2, 8],
  flexibleFrom: 8,
  encode: (writer, version) => {
    writer.string(group);
    writer.int32(-1);
    writer.string('');
    if (version >= 7) writer.nullableString(null);
    if (version <= 4) writer.int64(-1);
    writer.array(byTopic(offsets), ([topic, list]) => {
      writer.string(topic);
      writer.array(list, ({ partition, offset, metadata }) => {
        writer.int32(partition);
        writer.int64(offset);
        if (version >= 6) writer.int32(-1);
        writer.nullableString(metadata);
        writer.tags();
      });
      writer.tags();
    });
    writer.tags();
  },
  decode: (reader, version) => {
    if (version >= 3) reader.int32();
    const what = `setting the offsets of group ${group}`;
    readPartitions(reader, (topic) => {
      const partition = reader.int32();
      const code = reader.int16();
      if (code !== 0) throw brokerError(code, what, { topic, partition });
    });
  },
});
