import { crc32c } from '#shared/std/crc32c.ts';
import { batchField, batchHeaderBytes } from '#shared/wire/batch-layout.ts';
import { limits } from '#shared/wire/limits.ts';
import { provenanceSizeMax } from '#shared/wire/provenance-suffix.ts';
import { type Provenance, recordBytes, type WireRecord } from '#shared/wire/record.ts';
import {
  openBatch,
  readBatchHeader,
  sealBatch,
  sealedSizeEstimate,
  stripProvenance,
} from '#shared/wire/record-batch.ts';

/** Sealing, opening and cutting of batches; nothing here knows the database. */

/** Segments are made this large where there is enough: good for the link and for consumers. */
export const targetBytes = 512 * 1024;
/** Smaller ones gain nothing from compression before they are merged. */
export const compressFrom = 512;

export interface Sealed {
  count: number;
  /** Payload. */
  bytes: number;
  /** Before compression, at most. */
  size: number;
  batch: Buffer;
}

/** A record's place at its source. */
export interface Origin {
  offset: number;
  /** Life of the source topic, 32 hexadecimal digits. */
  incarnation: string;
}

/** A record that waits to be sealed, with what was computed of it already. */
export interface Weighed {
  record: WireRecord;
  origin?: Origin;
  bytes: number;
  /** What it adds to a batch before compression, at most. */
  size: number;
}

export const weigh = (
  record: WireRecord,
  site: { alias: string; topic: string },
  origin?: Origin,
): Weighed => ({
  record,
  ...(origin && { origin }),
  bytes: recordBytes(record),
  size: sealedSizeEstimate(record, site),
});

/** The most that one record may add to a batch: it has to fit into one alone. */
export const weightMax = limits.segmentBytes - batchHeaderBytes;

/** What a record gains by being sealed, at most: its provenance, and larger numbers. */
export const sealedRecordMore = (site: { alias: string; topic: string }): number =>
  provenanceSizeMax(site) + 12;

export function seal(
  items: readonly Weighed[],
  provenance: Provenance,
  compression: 'zstd' | 'none',
): Sealed {
  let bytes = 0;
  let size = batchHeaderBytes;
  for (const item of items) {
    bytes += item.bytes;
    size += item.size;
  }
  const batch = sealBatch(
    items.map(({ record }) => record),
    { compression: size < compressFrom ? 'none' : compression, provenance },
  );
  return { count: items.length, bytes, size, batch };
}

/** The records as their sources gave them. Throws a BatchError when the bytes are damaged. */
export const openRecords = (batch: Uint8Array): WireRecord[] =>
  openBatch(batch).map(stripProvenance);

/** Why these bytes are not the batch that was sealed; undefined when they are. Opens nothing. */
export function damageOf(batch: Uint8Array, count: number): string | undefined {
  try {
    const header = readBatchHeader(batch);
    const bytes = Buffer.from(batch.buffer, batch.byteOffset, batch.length);
    // The CRC does not cover what stands before the attributes.
    const isSealed =
      bytes.readBigInt64BE(batchField.baseOffset) === 0n &&
      bytes.readInt32BE(batchField.leaderEpoch) === -1;
    if (!isSealed) return 'the head of the batch is damaged';
    if (header.count !== count) return `batch has ${header.count} records, not ${count}`;
    const crc = crc32c(batch.subarray(batchField.attributes));
    return crc === header.crc ? undefined : `CRC is ${crc}, not ${header.crc}`;
  } catch (error) {
    return (error as Error).message;
  }
}
