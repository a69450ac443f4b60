import { StructReader, StructWriter } from './mm2-struct.ts';

/**
 * MirrorMaker 2's checkpoint of a consumer group (org.apache.kafka.connect.mirror.Checkpoint), in
 * `<alias>.checkpoints.internal`, partition 0; our own checkpoints are something else. The last one
 * of a key counts. Never a tombstone: Apache's reader dies of it, and with it every translation.
 *
 *   key   := STRING group · STRING topic · INT32 partition
 *   value := INT16 version 0 · INT64 upstream offset · INT64 offset · STRING metadata
 */
export interface GroupCheckpoint {
  group: string;
  /** As central names it: the remote topic (or whatever the reader is to consume instead). */
  topic: string;
  partition: number;
  /** Next to read, in the source's partition. */
  upstreamOffset: number;
  /** Next to read, in `topic`. */
  offset: number;
  /** What the group committed beside the offset; mostly "". */
  metadata: string;
}

/** Throws a Mm2FormatError. */
export const encodeGroupCheckpoint = (
  checkpoint: GroupCheckpoint,
): { key: Buffer; value: Buffer } => ({
  key: new StructWriter()
    .string('group', checkpoint.group)
    .string('topic', checkpoint.topic)
    .int32('partition', checkpoint.partition)
    .bytes(),
  value: new StructWriter()
    .int16(0)
    .int64('upstreamOffset', checkpoint.upstreamOffset)
    .int64('offset', checkpoint.offset)
    .string('metadata', checkpoint.metadata)
    .bytes(),
});

/** Throws a Mm2FormatError, for null too. */
export function decodeGroupCheckpoint(record: {
  key: Uint8Array | null;
  value: Uint8Array | null;
}): GroupCheckpoint {
  const key = new StructReader('checkpoint key', record.key);
  const value = new StructReader('checkpoint value', record.value);
  value.version();
  return {
    group: key.string(),
    topic: key.string(),
    partition: key.int32(),
    upstreamOffset: value.int64(),
    offset: value.int64(),
    metadata: value.string(),
  };
}
