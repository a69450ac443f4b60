import type { AliasWrite, SegmentWrite } from './landing.ts';

/**
 * A commit on its way to the worker: one buffer, handed over without another copy.
 *
 *   packed := jsonLength u32 LE · json (the writes, each batch replaced by its length) · batches
 */
export function packCommit(writes: readonly AliasWrite[]): Uint8Array<ArrayBuffer> {
  let batchBytes = 0;
  const plain = writes.map((write) => ({
    ...write,
    segments: write.segments.map((segment) => {
      batchBytes += segment.batch.length;
      return { ...segment, batch: segment.batch.length };
    }),
  }));
  const json = Buffer.from(JSON.stringify(plain));
  const packed = new Uint8Array(4 + json.length + batchBytes);
  new DataView(packed.buffer).setUint32(0, json.length, true);
  packed.set(json, 4);
  let position = 4 + json.length;
  for (const { segments } of writes) {
    for (const { batch } of segments) {
      packed.set(batch, position);
      position += batch.length;
    }
  }
  return packed;
}

/** The inverse; the batches are views of `packed`. */
export function unpackCommit(packed: Uint8Array): AliasWrite[] {
  const bytes = Buffer.from(packed.buffer, packed.byteOffset, packed.length);
  let position = 4 + bytes.readUInt32LE(0);
  const plain: (Omit<AliasWrite, 'segments'> & { segments: PackedSegment[] })[] = JSON.parse(
    bytes.toString('utf8', 4, position),
  );
  return plain.map((write) => ({
    ...write,
    segments: write.segments.map((segment) => {
      const start = position;
      position += segment.batch;
      return { ...segment, batch: bytes.subarray(start, position) };
    }),
  }));
}

type PackedSegment = Omit<SegmentWrite, 'batch'> & { batch: number };
