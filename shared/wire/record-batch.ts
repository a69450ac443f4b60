import { crc32c } from '../std/crc32c.ts';
import { codecs } from './compression.ts';
import { limits } from './limits.ts';
import type { RefusalCode } from './link.ts';
import { ProvenanceSuffix, provenanceHeaderCount, provenanceSizeMax } from './provenance-suffix.ts';
import {
  type Provenance,
  type RecordHeader,
  reservedHeaderPrefix,
  type WireRecord,
} from './record.ts';
import { VarintReader, varintSize, writeVarint } from './varint.ts';

/**
 * Kafka's RecordBatch v2 (magic 2; KIP-98, org.apache.kafka.common.record.DefaultRecordBatch).
 * Big-endian; varints are zigzag.
 *
 *   batch  := baseOffset i64 · batchLength i32 (bytes behind it) · partitionLeaderEpoch i32 · magic i8
 *             · crc u32 (CRC-32C of all behind it) · attributes i16 · lastOffsetDelta i32
 *             · baseTimestamp i64 · maxTimestamp i64 · producerId i64 · producerEpoch i16
 *             · baseSequence i32 · count i32 · records (compressed as attributes say)
 *   record := length varint (bytes behind it) · attributes i8 · timestampDelta varlong
 *             · offsetDelta varint · keyLength varint (-1 null) · key · valueLength varint · value
 *             · headerCount varint · { nameLength varint · name · valueLength varint · value }
 *
 * Sealed batches have baseOffset 0, partitionLeaderEpoch -1 (the broker sets it, as it does for
 * Kafka's own producer, which writes -1 too; the CRC does not cover it) and no producer (-1).
 */
export const batchHeaderBytes = 61;
const at = {
  batchLength: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  count: 57,
} as const;

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

export interface SealOptions {
  compression: Compression;
  /** Of gzip (default 6) and zstd (default 1). */
  level?: number;
  /** Written as four headers behind each record's own. */
  provenance?: Provenance;
}

/** Sealing is synchronous, so that one buffer can serve every call; it keeps its largest size. */
let scratch = Buffer.allocUnsafe(64 * 1024);

function reserve(size: number): void {
  if (size <= scratch.length) return;
  const larger = Buffer.allocUnsafe(Math.max(size, scratch.length * 2));
  scratch.copy(larger);
  scratch = larger;
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

const blobSize = (blob: Uint8Array | null): number =>
  blob === null ? 1 : varintSize(blob.length) + blob.length;

function nameSize(name: string): number {
  const bytes = Buffer.byteLength(name);
  return varintSize(bytes) + bytes;
}

/**
 * Seals `records` (1 to limits.segmentRecords) as one batch. 'none' is stored where compression does
 * not make it smaller. Throws a BatchError `too-large`, `bad-batch`, `bad-provenance` or `bad-timestamp`.
 */
export function sealBatch(records: readonly WireRecord[], options: SealOptions): Buffer {
  const first = records[0];
  if (!first) throw new BatchError('bad-batch', 'a batch needs at least one record');
  if (records.length > limits.segmentRecords) {
    throw new BatchError('too-large', `${records.length} records; limit ${limits.segmentRecords}`);
  }
  const suffix = options.provenance && new ProvenanceSuffix(options.provenance);
  const base = first.timestamp;
  let max = base;
  let end = batchHeaderBytes;
  for (let i = 0; i < records.length; i++) {
    const record = records[i]!;
    if (!isTimestamp(record.timestamp)) {
      throw new BatchError('bad-timestamp', `record ${i} has timestamp ${record.timestamp}`);
    }
    if (record.timestamp > max) max = record.timestamp;
    end = writeRecord(record, end, record.timestamp - base, i, suffix);
    suffix?.advance();
  }
  return finish(end, records.length, base, max, options);
}

/** What Kafka, JavaScript's Date and exact arithmetic on differences can all bear; -1 is "none". */
export const isTimestamp = (ms: number): boolean =>
  Number.isInteger(ms) && ms >= -1 && ms <= 8_640_000_000_000_000;

function writeRecord(
  record: WireRecord,
  start: number,
  timestampDelta: number,
  offsetDelta: number,
  suffix: ProvenanceSuffix | undefined,
): number {
  const { headers } = record;
  const headerCount = headers.length + (suffix ? provenanceHeaderCount : 0);
  let size = 1 + varintSize(timestampDelta) + varintSize(offsetDelta);
  size += blobSize(record.key) + blobSize(record.value) + varintSize(headerCount);
  for (const [name, value] of headers) size += nameSize(name) + blobSize(value);
  if (suffix) size += suffix.length;

  const end = start + varintSize(size) + size;
  if (end > limits.segmentBytes) {
    throw new BatchError('too-large', `batch is over ${limits.segmentBytes} bytes uncompressed`);
  }
  reserve(end);
  let position = writeVarint(scratch, start, size);
  scratch[position++] = 0;
  position = writeVarint(scratch, position, timestampDelta);
  position = writeVarint(scratch, position, offsetDelta);
  position = writeBlob(record.key, position);
  position = writeBlob(record.value, position);
  position = writeVarint(scratch, position, headerCount);
  for (const [name, value] of headers) {
    position = writeVarint(scratch, position, Buffer.byteLength(name));
    position += scratch.write(name, position);
    position = writeBlob(value, position);
  }
  if (suffix) scratch.set(suffix.bytes, position);
  return end;
}

function writeBlob(blob: Uint8Array | null, start: number): number {
  if (blob === null) return writeVarint(scratch, start, -1);
  const position = writeVarint(scratch, start, blob.length);
  scratch.set(blob, position);
  return position + blob.length;
}

function finish(
  end: number,
  count: number,
  base: number,
  max: number,
  { compression, level }: SealOptions,
): Buffer {
  let batch: Buffer | undefined;
  if (compression !== 'none') {
    const packed = codecs[compression].compress(scratch.subarray(batchHeaderBytes, end), level);
    if (packed.length < end - batchHeaderBytes) {
      batch = Buffer.allocUnsafe(batchHeaderBytes + packed.length);
      batch.set(packed, batchHeaderBytes);
    }
  }
  const attributes = batch ? compressions.indexOf(compression) : 0;
  batch ??= Buffer.from(scratch.subarray(0, end));
  batch.fill(0, 0, at.batchLength);
  batch.writeInt32BE(batch.length - at.leaderEpoch, at.batchLength);
  batch.writeInt32BE(-1, at.leaderEpoch);
  batch[at.magic] = 2;
  batch.writeInt16BE(attributes, at.attributes);
  batch.writeInt32BE(count - 1, at.lastOffsetDelta);
  batch.writeBigInt64BE(BigInt(base), at.baseTimestamp);
  batch.writeBigInt64BE(BigInt(max), at.maxTimestamp);
  batch.writeInt32BE(count, at.count);
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

/** Structure only: length, magic, known attributes; neither the CRC nor the records are looked at. */
export function readBatchHeader(batch: Uint8Array): BatchHeader {
  const b = Buffer.from(batch.buffer, batch.byteOffset, batch.length);
  if (b.length < batchHeaderBytes) throw new BatchError('bad-batch', `only ${b.length} bytes`);
  if (b[at.magic] !== 2) throw new BatchError('bad-batch', `magic is ${b[at.magic]}, not 2`);
  const length = b.readInt32BE(at.batchLength) + at.leaderEpoch;
  if (length !== b.length) {
    throw new BatchError('bad-batch', `length says ${length} bytes, there are ${b.length}`);
  }
  const attributes = b.readUInt16BE(at.attributes);
  const compression = compressions[attributes & 7];
  if (!compression) throw new BatchError('bad-batch', `unknown compression ${attributes & 7}`);
  return {
    sizeBytes: b.length,
    count: b.readInt32BE(at.count),
    lastOffsetDelta: b.readInt32BE(at.lastOffsetDelta),
    compression,
    timestampType: attributes & 8 ? 'log-append' : 'create',
    transactional: (attributes & 16) !== 0,
    control: (attributes & 32) !== 0,
    baseTimestamp: Number(b.readBigInt64BE(at.baseTimestamp)),
    maxTimestamp: Number(b.readBigInt64BE(at.maxTimestamp)),
    producerId: b.readBigInt64BE(at.producerId),
    producerEpoch: b.readInt16BE(at.producerEpoch),
    baseSequence: b.readInt32BE(at.baseSequence),
    crc: b.readUInt32BE(at.crc),
  };
}

/**
 * The records' bytes, uncompressed, after the CRC was verified; at most limits.segmentBytes.
 * A view of `batch` where it is not compressed.
 */
export function batchPayload(batch: Uint8Array, header: BatchHeader): Uint8Array {
  const crc = crc32c(batch.subarray(at.attributes));
  if (crc !== header.crc) throw new BatchError('bad-crc', `CRC is ${crc}, not ${header.crc}`);
  const packed = batch.subarray(batchHeaderBytes);
  if (header.compression === 'none') return packed;
  try {
    return codecs[header.compression].decompress(packed, limits.segmentBytes - batchHeaderBytes);
  } catch (cause) {
    const tooLarge = (cause as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE';
    throw new BatchError(
      tooLarge ? 'too-large' : 'bad-batch',
      `${header.compression}: ${(cause as Error).message}`,
      { cause },
    );
  }
}

/**
 * All records of any producer's batch, provenance headers included, after the CRC was verified. Keys and values are views
 * of the batch or of its inflated bytes. Throws a BatchError.
 */
export function openBatch(batch: Uint8Array): WireRecord[] {
  const header = readBatchHeader(batch);
  const payload = batchPayload(batch, header);
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  const reader = new VarintReader(bytes);
  const records: WireRecord[] = [];
  try {
    for (let i = 0; i < header.count; i++) records.push(readRecord(reader, bytes, header));
  } catch (cause) {
    if (cause instanceof BatchError) throw cause;
    const message = `record ${records.length}: ${(cause as Error).message}`;
    throw new BatchError('bad-batch', message, { cause });
  }
  if (reader.position !== bytes.length) {
    throw new BatchError('bad-batch', `${bytes.length - reader.position} bytes behind the records`);
  }
  return records;
}

function readRecord(reader: VarintReader, bytes: Buffer, header: BatchHeader): WireRecord {
  const length = reader.int32();
  const end = reader.skip(length) + length;
  reader.position = end - length;
  reader.byte();
  const timestamp = header.baseTimestamp + reader.int64();
  reader.int32();
  const key = readBlob(reader, bytes);
  const value = readBlob(reader, bytes);
  const headers: RecordHeader[] = [];
  for (let left = reader.int32(); left > 0; left--) {
    const name = readBlob(reader, bytes);
    if (name === null) throw new BatchError('bad-batch', 'a header has no name');
    headers.push([name.toString(), readBlob(reader, bytes)]);
  }
  if (reader.position !== end) throw new BatchError('bad-batch', `record ends not at ${end}`);
  if (!isTimestamp(timestamp)) throw new BatchError('bad-timestamp', `timestamp ${timestamp}`);
  const stamp = header.timestampType === 'create' ? timestamp : header.maxTimestamp;
  return { key, value, headers, timestamp: stamp };
}

function readBlob(reader: VarintReader, bytes: Buffer): Buffer | null {
  const length = reader.int32();
  if (length === -1) return null;
  const start = reader.skip(length);
  return bytes.subarray(start, start + length);
}

/** The record as its source gave it: without the headers that sealing wrote. */
export function stripProvenance(record: WireRecord): WireRecord {
  const headers = record.headers.filter(([name]) => !name.startsWith(reservedHeaderPrefix));
  return headers.length === record.headers.length ? record : { ...record, headers };
}
