import { StructReader, StructWriter } from './mm2-struct.ts';

/**
 * MirrorMaker 2's heartbeat (org.apache.kafka.connect.mirror.Heartbeat), in `heartbeats` and
 * `<alias>.heartbeats`, partition 0. Its record's timestamp is `timestampMs` too.
 *
 *   key   := STRING source alias · STRING target alias
 *   value := INT16 version 0 · INT64 timestamp
 */
export interface Mm2Heartbeat {
  /** Alias of the cluster that the records come from. */
  source: string;
  target: string;
  timestampMs: number;
}

/** Throws a Mm2FormatError. */
export const encodeMm2Heartbeat = ({
  source,
  target,
  timestampMs,
}: Mm2Heartbeat): { key: Buffer; value: Buffer } => ({
  key: new StructWriter().string('source', source).string('target', target).bytes(),
  value: new StructWriter().int16(0).int64('timestampMs', timestampMs).bytes(),
});

/** Throws a Mm2FormatError, for null too: there are no tombstones. */
export function decodeMm2Heartbeat(record: {
  key: Uint8Array | null;
  value: Uint8Array | null;
}): Mm2Heartbeat {
  const key = new StructReader('heartbeat key', record.key);
  const value = new StructReader('heartbeat value', record.value);
  value.version();
  return { source: key.string(), target: key.string(), timestampMs: value.int64() };
}
