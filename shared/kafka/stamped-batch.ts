import { crc32c } from '#shared/std/crc32c.ts';
import { batchField as at, batchAttribute, batchHeaderBytes } from '#shared/wire/batch-layout.ts';
import { KafkaError } from './kafka.ts';
import type { ProducerIdentity } from './transaction-apis.ts';

/** A batch as it goes out: its own header in front of the untouched payload of the sealed one. */
export interface StampedBatch {
  header: Buffer;
  /** A view. */
  payload: Uint8Array;
  /** Of the batch behind it in the same partition. */
  nextSequence: number;
}

/**
 * Makes a sealed batch part of a producer's transaction: id, epoch, sequence and the transactional
 * bit in a copy of the header, and the CRC over all. Throws `invalid` for bytes that are no
 * RecordBatch v2 of `batch.length` bytes.
 */
export function stampBatch(
  batch: Uint8Array,
  { producerId, epoch }: ProducerIdentity,
  sequence: number,
): StampedBatch {
  const header = Buffer.allocUnsafe(batchHeaderBytes);
  const payload = batch.subarray(batchHeaderBytes);
  header.set(batch.subarray(0, batchHeaderBytes));
  if (batch.length < batchHeaderBytes || header[at.magic] !== 2) {
    throw new KafkaError('invalid', 'what was given to send is no RecordBatch v2');
  }
  if (header.readInt32BE(at.batchLength) + at.leaderEpoch !== batch.length) {
    throw new KafkaError('invalid', `the batch's length is not that of its ${batch.length} bytes`);
  }
  const attributes = header.readInt16BE(at.attributes);
  if (attributes & batchAttribute.control) {
    throw new KafkaError('invalid', 'a control batch cannot be sent');
  }
  header.writeInt16BE(attributes | batchAttribute.transactional, at.attributes);
  header.writeBigInt64BE(producerId, at.producerId);
  header.writeInt16BE(epoch, at.producerEpoch);
  header.writeInt32BE(sequence, at.baseSequence);
  header.writeUInt32BE(crc32c(payload, crc32c(header.subarray(at.attributes))), at.crc);
  return {
    header,
    payload,
    nextSequence: sequenceAfter(sequence, header.readInt32BE(at.lastOffsetDelta) + 1),
  };
}

/** Sequences go from 0 to 2^31 - 1 and round again (DefaultRecordBatch.incrementSequence). */
export const sequenceAfter = (sequence: number, records: number): number =>
  (sequence + records) % 0x8000_0000;
