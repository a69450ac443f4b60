import { crc32c } from '../std/crc32c.ts';
import { batchField as at, batchHeaderBytes } from '../wire/batch-layout.ts';
import { codecs, outputTooLarge } from '../wire/compression.ts';
import { isTimestamp, type WireRecord } from '../wire/record.ts';
import { BatchError, type BatchHeader, readBatchHeader } from '../wire/record-batch.ts';
import { RecordReader } from '../wire/record-reader.ts';
import type { RecordRun } from '../wire/record-run.ts';
import { VarintError } from '../wire/varint.ts';

/** A record where it stands in a Kafka log. */
export interface LogRecord extends WireRecord {
  offset: number;
}

export interface OpenRecordsOptions {
  /**
   * Most bytes that the records may inflate to. Default 128 MiB: far above what brokers take by
   * default (1 MiB compressed), and less than would hurt.
   */
  maxBytes?: number;
  /** Where the batch's CRC was verified already (`Fetched.batches` are). */
  trusted?: boolean;
}

/**
 * The records of a batch of any producer, as a broker's log holds it: compaction leaves holes in
 * the offsets, and batches without records. Headers keep their order, repeats and nulls; keys and
 * values are views of the batch or of its inflated bytes. Throws a BatchError (`bad-batch`,
 * `bad-crc`, `bad-timestamp`, `too-large`), here and while it is read.
 */
export function openRecords(
  batch: Uint8Array,
  options: OpenRecordsOptions = {},
): Generator<LogRecord, void> {
  const run = openRun(batch, options);
  return whole(run);
}

/** The same, unopened: uncompressed and not looked at. */
export function openRun(batch: Uint8Array, options: OpenRecordsOptions = {}): RecordRun {
  const header = readBatchHeader(batch);
  if (options.trusted !== true) verifyCrc(batch, header);
  const { count, baseTimestamp, maxTimestamp, timestampType } = header;
  const bytes = inflate(batch, header, options.maxBytes ?? 128 * 1024 * 1024);
  const baseOffset = Number(Buffer.from(batch.buffer, batch.byteOffset, 8).readBigInt64BE());
  const timestamp = timestampType === 'log-append' ? maxTimestamp : null;
  return { bytes, count, baseTimestamp, timestamp, baseOffset };
}

function* whole(run: RecordRun): Generator<LogRecord, void> {
  const reader = new RecordReader(run.bytes);
  for (let index = 0; index < run.count; index++) {
    const record = nextRecord(reader, run, index);
    if (!isTimestamp(record.timestamp)) {
      throw new BatchError('bad-timestamp', `record ${index} has timestamp ${record.timestamp}`);
    }
    yield record;
  }
  if (run.count > 0 && reader.left > 0) {
    throw new BatchError('bad-batch', `${reader.left} bytes behind the records`);
  }
}

/** The records of (a part of) what `openRun` opened; whatever time they bear. */
export function recordsOf(run: RecordRun): LogRecord[] {
  const reader = new RecordReader(run.bytes);
  return Array.from({ length: run.count }, (_, index) => nextRecord(reader, run, index));
}

function verifyCrc(batch: Uint8Array, header: BatchHeader): void {
  const crc = crc32c(batch.subarray(at.attributes));
  if (crc !== header.crc) throw new BatchError('bad-crc', `CRC is ${crc}, not ${header.crc}`);
}

function inflate(batch: Uint8Array, header: BatchHeader, maxBytes: number): Uint8Array {
  const packed = batch.subarray(batchHeaderBytes);
  if (header.compression === 'none' || header.count === 0) return packed;
  try {
    return codecs[header.compression].decompress(packed, maxBytes);
  } catch (cause) {
    const isTooLarge = (cause as { code?: string }).code === outputTooLarge;
    const message = isTooLarge
      ? `the records inflate to more than ${maxBytes} bytes`
      : `${header.compression}: ${(cause as Error).message}`;
    throw new BatchError(isTooLarge ? 'too-large' : 'bad-batch', message, { cause });
  }
}

function nextRecord(reader: RecordReader, run: RecordRun, index: number): LogRecord {
  try {
    const { key, value, headers, timestamp } = reader.next(run.baseTimestamp);
    const offset = run.baseOffset + reader.offsetDelta;
    return { key, value, headers, timestamp: run.timestamp ?? timestamp, offset };
  } catch (cause) {
    if (!(cause instanceof VarintError)) throw cause;
    throw new BatchError('bad-batch', `record ${index}: ${cause.message}`, { cause });
  }
}
