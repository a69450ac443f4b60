import { StructReader, StructWriter } from './mm2-struct.ts';

/**
 * MirrorMaker 2's offset sync (org.apache.kafka.connect.mirror.OffsetSync), in
 * `mm2-offset-syncs.<alias>.internal`, partition 0: the record at `upstreamOffset` landed at
 * `offset`. Never a tombstone. The value has no version.
 *
 *   key   := STRING topic · INT32 partition
 *   value := INT64 upstream offset · INT64 offset
 */
export interface Mm2OffsetSync {
  /** As the source names it, without prefix. */
  topic: string;
  partition: number;
  upstreamOffset: number;
  offset: number;
}

/** Throws a Mm2FormatError. */
export const encodeMm2OffsetSync = (sync: Mm2OffsetSync): { key: Buffer; value: Buffer } => ({
  key: new StructWriter().string('topic', sync.topic).int32('partition', sync.partition).bytes(),
  value: new StructWriter()
    .int64('upstreamOffset', sync.upstreamOffset)
    .int64('offset', sync.offset)
    .bytes(),
});

/** Throws a Mm2FormatError, for null too. */
export function decodeMm2OffsetSync(record: {
  key: Uint8Array | null;
  value: Uint8Array | null;
}): Mm2OffsetSync {
  const key = new StructReader('offset sync key', record.key);
  const value = new StructReader('offset sync value', record.value);
  return {
    topic: key.string(),
    partition: key.int32(),
    upstreamOffset: value.int64(),
    offset: value.int64(),
  };
}
