import { batchAttribute, batchField, batchHeaderBytes } from '#shared/wire/batch-layout.ts';
import { codecs } from '#shared/wire/compression.ts';
import type { WireRecord } from '#shared/wire/record.ts';
import { type Compression, restampProducer, sealBatch } from '#shared/wire/record-batch.ts';
import { RecordWriter } from '#shared/wire/record-writer.ts';

/** Batches as a broker's log holds them. */

export interface LogBatch {
  baseOffset: number;
  /** Their values, or whole records. */
  records: readonly (string | WireRecord)[];
  producerId?: bigint;
  compression?: Compression;
}

export const textRecord = (value: string): WireRecord => ({
  key: null,
  value: Buffer.from(value),
  headers: [],
  timestamp: 1_700_000_000_000,
});

/** `producerId` given: written in a transaction. */
export function logBatch({ baseOffset, records, producerId, compression }: LogBatch): Buffer {
  const whole = records.map((one) => (typeof one === 'string' ? textRecord(one) : one));
  const batch = sealBatch(whole, { compression: compression ?? 'none' });
  return placed(batch, baseOffset, producerId, 0);
}

/** The end of a producer's transaction. */
export function marker(baseOffset: number, producerId: bigint, type: 'abort' | 'commit'): Buffer {
  const key = Buffer.from([0, 0, 0, type === 'abort' ? 0 : 1]);
  const value = Buffer.alloc(6);
  const record = { key, value, headers: [], timestamp: 1_700_000_000_000 };
  const batch = sealBatch([record], { compression: 'none' });
  return placed(batch, baseOffset, producerId, batchAttribute.control);
}

function placed(batch: Buffer, offset: number, producerId: bigint | undefined, bits: number) {
  batch.writeBigInt64BE(BigInt(offset), batchField.baseOffset);
  batch.writeInt32BE(7, batchField.leaderEpoch);
  const transactional = producerId === undefined ? 0 : batchAttribute.transactional;
  const attributes = batch.readUInt16BE(batchField.attributes) | transactional | bits;
  batch.writeUInt16BE(attributes, batchField.attributes);
  const producer = { producerId: producerId ?? -1n, producerEpoch: 0, baseSequence: 0 };
  restampProducer(batch, producer);
  return batch;
}

/** What cleaning leaves: records with holes between their offsets, or none at all. */
export function compactedBatch(about: {
  baseOffset: number;
  lastOffsetDelta: number;
  records: readonly { offsetDelta: number; record: WireRecord }[];
  compression?: keyof typeof codecs;
  baseTimestamp?: number;
}): Buffer {
  const { baseTimestamp = 1_700_000_000_000, records, compression } = about;
  const writer = new RecordWriter();
  for (const { record, offsetDelta } of records) {
    writer.write(record, record.timestamp - baseTimestamp, offsetDelta, undefined);
  }
  const plain = writer.bytes.subarray(0, writer.end);
  const packed = compression ? codecs[compression].compress(plain) : plain;
  const head = sealBatch([textRecord('x')], { compression: 'none' }).subarray(0, batchHeaderBytes);
  const batch = Buffer.concat([head, packed]);
  const code = ['none', 'gzip', 'snappy', 'lz4', 'zstd'].indexOf(compression ?? 'none');
  batch.writeInt32BE(batch.length - batchField.leaderEpoch, batchField.batchLength);
  batch.writeInt16BE(code, batchField.attributes);
  batch.writeInt32BE(about.lastOffsetDelta, batchField.lastOffsetDelta);
  batch.writeBigInt64BE(BigInt(baseTimestamp), batchField.baseTimestamp);
  batch.writeInt32BE(records.length, batchField.count);
  return placed(batch, about.baseOffset, undefined, 0);
}
