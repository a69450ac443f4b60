import { crc32c } from '../std/crc32c.ts';
import { batchField as at, batchAttribute, batchHeaderBytes } from './batch-layout.ts';
import { codecs, outputTooLarge } from './compression.ts';
import { limits } from './limits.ts';
import type { RefusalCode } from './link.ts';
import { ProvenanceSuffix, provenanceProblem, provenanceSizeMax } from './provenance-suffix.ts';
import {
  isTimestamp,
  type Provenance,
  recordProblem,
  reservedHeaderPrefix,
  type WireRecord,
} from './record.ts';
import { RecordReader } from './record-reader.ts';
import { blobSize, nameSize, RecordWriter } from './record-writer.ts';
import { VarintError } from './varint.ts';

export type Compression = 'none' | keyof typeof codecs;
/** Index = the number in the attributes. */
const compressions: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

export interface BatchHeader {
  sizeBytes: number;
  count: number;
  lastOffsetDelta: number;
  compression: Compression;
  timestampType: 'create' | 'log-append';
  transactional: boolean;
  control: boolean;
  /** Milliseconds since the Unix epoch. */
  baseTimestamp: number;
  maxTimestamp: number;
  /** -1 where no producer is set; epoch and sequence likewise. */
  producerId: bigint;
  producerEpoch: number;
  baseSequence: number;
  crc: number;
}

export class BatchError extends Error {
  override name = 'BatchError';
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * Most bytes that `record` adds to a sealed batch before compression. As long as their sum and
 * {@link batchHeaderBytes} stay within limits.segmentBytes, `sealBatch` takes the records.
 */
export function sealedSizeEstimate(
  record: WireRecord,
  provenance?: { alias: string; topic: string },
): number {
  // length 5, attributes 1, timestamp delta 10, offset delta 3, header count 2
  let size = 21 + blobSize(record.key) + blobSize(record.value);
  for (const [name, value] of record.headers) size += nameSize(name) + blobSize(value);
  return provenance ? size + provenanceSizeMax(provenance) : size;
}

export interface SealOptions {
  /** 'none' is stored where it does not make the batch smaller. */
  compression: Compression;
  /** Of gzip (default 6) and zstd (default 1). */
  level?: number;
  /** Written as four headers behind each record's own. */
  provenance?: Provenance;
}

/** Sealing is synchronous, so that one buffer serves every call; it keeps its largest size. */
const writer = new RecordWriter();

/**
 * Seals `records` (1 to limits.segmentRecords) as one batch. Throws a BatchError: `too-large`,
 * `bad-batch` for what `recordProblem` finds, or `bad-provenance`.
 */
export function sealBatch(records: readonly WireRecord[], options: SealOptions): Buffer {
  const { compression, level, provenance } = options;
  checkSeal(records, provenance);
  const suffix = provenance && new ProvenanceSuffix(provenance);
  const baseTimestamp = records[0]!.timestamp;
  let maxTimestamp = baseTimestamp;
  writer.end = 0;
  for (let i = 0; i < records.length; i++) {
    const record = records[i]!;
    checkRecord(record, i);
    writer.write(record, record.timestamp - baseTimestamp, i, suffix);
    if (batchHeaderBytes + writer.end > limits.segmentBytes) {
      throw new BatchError('too-large', `batch is over ${limits.segmentBytes} bytes uncompressed`);
    }
    if (record.timestamp > maxTimestamp) maxTimestamp = record.timestamp;
    suffix?.advance();
  }
  const payload = writer.bytes.subarray(0, writer.end);
  const { length: count } = records;
  return assembleBatch(payload, { compression, level, count, baseTimestamp, maxTimestamp });
}

/** A sealed batch of the records that `payload` holds, compressed where that makes it smaller. */
export function assembleBatch(
  payload: Uint8Array,
  options: Pick<BatchHeader, 'count' | 'baseTimestamp' | 'maxTimestamp'> & {
    compression: Compression;
    level?: number | undefined;
  },
): Buffer {
  const { compression, level } = options;
  const packed = compression === 'none' ? payload : codecs[compression].compress(payload, level);
  const shrunk = packed.length < payload.length;
  const used = shrunk ? compression : 'none';
  return assemble(shrunk ? packed : payload, { ...options, compression: used });
}

function checkSeal(records: readonly WireRecord[], provenance: Provenance | undefined): void {
  if (records.length === 0) throw new BatchError('bad-batch', 'a batch needs at least one record');
  if (records.length > limits.segmentRecords) {
    throw new BatchError('too-large', `${records.length} records; limit ${limits.segmentRecords}`);
  }
  const problem = provenance && provenanceProblem(provenance, records.length);
  if (problem) throw new BatchError('bad-provenance', problem);
}

function checkRecord(record: WireRecord, index: number): void {
  const problem = recordProblem(record);
  if (!problem) return;
  const code = problem.code === 'too-large' ? 'too-large' : 'bad-batch';
  throw new BatchError(code, `record ${index}: ${problem.message}`);
}

function assemble(
  payload: Uint8Array,
  header: Pick<BatchHeader, 'compression' | 'count' | 'baseTimestamp' | 'maxTimestamp'>,
): Buffer {
  const batch = Buffer.allocUnsafe(batchHeaderBytes + payload.length);
  batch.fill(0, 0, at.batchLength);
  batch.writeInt32BE(batch.length - at.leaderEpoch, at.batchLength);
  batch.writeInt32BE(-1, at.leaderEpoch);
  batch[at.magic] = 2;
  batch.writeInt16BE(compressions.indexOf(header.compression), at.attributes);
  batch.writeInt32BE(header.count - 1, at.lastOffsetDelta);
  batch.writeBigInt64BE(BigInt(header.baseTimestamp), at.baseTimestamp);
  batch.writeBigInt64BE(BigInt(header.maxTimestamp), at.maxTimestamp);
  batch.writeInt32BE(header.count, at.count);
  batch.set(payload, batchHeaderBytes);
  restampProducer(batch, { producerId: -1n, producerEpoch: -1, baseSequence: -1 });
  return batch;
}

/** Writes the producer fields and the CRC of `batch`, in place. */
export function restampProducer(
  batch: Buffer,
  producer: { producerId: bigint; producerEpoch: number; baseSequence: number },
): void {
  batch.writeBigInt64BE(producer.producerId, at.producerId);
  batch.writeInt16BE(producer.producerEpoch, at.producerEpoch);
  batch.writeInt32BE(producer.baseSequence, at.baseSequence);
  batch.writeUInt32BE(crc32c(batch.subarray(at.attributes)), at.crc);
}

function bad(message: string, cause?: unknown): never {
  throw new BatchError('bad-batch', message, { cause });
}

/**
 * Structure only: length, magic, known compression, sane numbers; neither the CRC nor the records
 * are looked at. Throws a BatchError `bad-batch` or `bad-timestamp`.
 */
export function readBatchHeader(batch: Uint8Array): BatchHeader {
  const b = Buffer.from(batch.buffer, batch.byteOffset, batch.length);
  if (b.length < batchHeaderBytes)
    bad(`batch has ${b.length} bytes, its header ${batchHeaderBytes}`);
  if (b[at.magic] !== 2) bad(`magic is ${b[at.magic]}, not 2`);
  const length = b.readInt32BE(at.batchLength) + at.leaderEpoch;
  if (length !== b.length) bad(`length says ${length} bytes, there are ${b.length}`);
  const attributes = b.readUInt16BE(at.attributes);
  const compression = compressions[attributes & batchAttribute.compression];
  if (!compression) bad(`unknown compression in attributes ${attributes}`);
  const count = b.readInt32BE(at.count);
  if (count < 0) bad(`record count is ${count}`);
  return {
    sizeBytes: b.length,
    count,
    lastOffsetDelta: b.readInt32BE(at.lastOffsetDelta),
    compression,
    timestampType: attributes & batchAttribute.logAppendTime ? 'log-append' : 'create',
    transactional: (attributes & batchAttribute.transactional) !== 0,
    control: (attributes & batchAttribute.control) !== 0,
    baseTimestamp: readTimestamp(b, at.baseTimestamp),
    maxTimestamp: readTimestamp(b, at.maxTimestamp),
    producerId: b.readBigInt64BE(at.producerId),
    producerEpoch: b.readInt16BE(at.producerEpoch),
    baseSequence: b.readInt32BE(at.baseSequence),
    crc: b.readUInt32BE(at.crc),
  };
}

function readTimestamp(bytes: Buffer, position: number): number {
  const ms = Number(bytes.readBigInt64BE(position));
  if (!isTimestamp(ms)) throw new BatchError('bad-timestamp', `batch has timestamp ${ms}`);
  return ms;
}

/**
 * The records' bytes, uncompressed, after the CRC was verified; at most limits.segmentBytes.
 * A view of `batch` where it is not compressed.
 */
export function batchPayload(batch: Uint8Array, header: BatchHeader): Uint8Array {
  const crc = crc32c(batch.subarray(at.attributes));
  if (crc !== header.crc) throw new BatchError('bad-crc', `CRC is ${crc}, not ${header.crc}`);
  const packed = batch.subarray(batchHeaderBytes);
  const bytesMax = limits.segmentBytes - batchHeaderBytes;
  if (header.compression === 'none') return packed;
  try {
    return codecs[header.compression].decompress(packed, bytesMax);
  } catch (cause) {
    const message = `${header.compression}: ${(cause as Error).message}`;
    if ((cause as { code?: string }).code !== outputTooLarge) bad(message, cause);
    throw new BatchError('too-large', message, { cause });
  }
}

/**
 * All records of any producer's batch, provenance headers included, after the CRC was verified.
 * Keys and values are views of the batch or of its inflated bytes. Throws a BatchError.
 */
export function openBatch(batch: Uint8Array): WireRecord[] {
  const header = readBatchHeader(batch);
  const reader = new RecordReader(batchPayload(batch, header));
  const records: WireRecord[] = [];
  while (records.length < header.count) records.push(openRecord(reader, header, records.length));
  if (reader.left !== 0) bad(`${reader.left} bytes behind the records`);
  return records;
}

function openRecord(reader: RecordReader, header: BatchHeader, index: number): WireRecord {
  try {
    const record = reader.next(header.baseTimestamp);
    if (header.timestampType === 'log-append') record.timestamp = header.maxTimestamp;
    if (isTimestamp(record.timestamp)) return record;
    throw new BatchError('bad-timestamp', `record ${index} has timestamp ${record.timestamp}`);
  } catch (cause) {
    if (!(cause instanceof VarintError)) throw cause;
    bad(`record ${index}: ${cause.message}`, cause);
  }
}

/** The record as its source gave it: without the headers that sealing wrote. */
export function stripProvenance(record: WireRecord): WireRecord {
  const headers = record.headers.filter(([name]) => !name.startsWith(reservedHeaderPrefix));
  return headers.length === record.headers.length ? record : { ...record, headers };
}
