import { crc32c } from '../std/crc32c.ts';
import { batchField as at, batchAttribute, batchHeaderBytes } from '../wire/batch-layout.ts';
import { RecordReader } from '../wire/record-reader.ts';
import { type FetchedBatch, type Isolation, KafkaError, type TopicPartition } from './kafka.ts';

/** From `firstOffset` on, what this producer wrote is aborted, up to its abort marker. */
export interface AbortedTransaction {
  producerId: bigint;
  firstOffset: number;
}

export interface RecordSet extends TopicPartition {
  /** What was asked for. */
  offset: number;
  isolation: Isolation;
  aborted: readonly AbortedTransaction[];
  bytes: Buffer;
}

export interface SplitRecordSet {
  batches: FetchedBatch[];
  nextOffset: number;
  /** Of the batch at `nextOffset`, where nothing could be given before it. */
  error: KafkaError | null;
}

interface Batch extends FetchedBatch {
  isControl: boolean;
  /** -1n: not in a transaction. */
  transactionOf: bigint;
}

/**
 * A partition's part of a Fetch answer, cut into its batches: what `Fetched.batches` promises.
 * A batch that the answer cuts off at its end is left for the next one. A bad batch ends it: told
 * as the error as soon as it is the first.
 */
export function splitRecordSet(set: RecordSet): SplitRecordSet {
  const isAborted = set.isolation === 'committed' ? abortFilter(set.aborted) : () => false;
  const split: SplitRecordSet = { batches: [], nextOffset: set.offset, error: null };
  for (let position = 0; ; ) {
    const size = wholeBatchAt(set.bytes, position);
    if (size === undefined) return split;
    try {
      const batch = readBatch(set.bytes.subarray(position, position + size));
      position += size;
      const drop = isAborted(batch) || batch.isControl || batch.lastOffset < set.offset;
      const { baseOffset, lastOffset, bytes } = batch;
      if (!drop) split.batches.push({ baseOffset, lastOffset, bytes });
      split.nextOffset = Math.max(split.nextOffset, lastOffset + 1);
    } catch (error) {
      if (split.nextOffset === set.offset) split.error = badBatch(set, position, error as Error);
      return split;
    }
  }
}

/** Bytes of the batch at `position`; undefined where it is not all there. */
function wholeBatchAt(bytes: Buffer, position: number): number | undefined {
  const left = bytes.length - position;
  if (left <= at.magic) return undefined;
  const size = bytes.readInt32BE(position + at.batchLength) + at.leaderEpoch;
  // a size that cannot be is taken as it is, and refused when it is read
  if (size <= at.magic) return left;
  return size <= left ? size : undefined;
}

class OldFormatError extends Error {}

/** Every message format has offset, length and magic in the same places. */
function readBatch(bytes: Buffer): Batch {
  const magic = bytes[at.magic]!;
  if (magic < 2) {
    throw new OldFormatError(
      `the log still holds message format ${magic} (written by Kafka before 0.11, or with ` +
        'log.message.format.version set so); copy the topic with a current producer',
    );
  }
  if (magic !== 2) throw new Error(`magic is ${magic}, not 2`);
  if (bytes.length < batchHeaderBytes) throw new Error(`a batch of ${bytes.length} bytes`);
  const size = bytes.readInt32BE(at.batchLength) + at.leaderEpoch;
  if (size !== bytes.length) throw new Error(`length says ${size} bytes`);
  const crc = crc32c(bytes.subarray(at.attributes));
  const stated = bytes.readUInt32BE(at.crc);
  if (crc !== stated) throw new Error(`CRC is ${crc}, not ${stated}`);
  const attributes = bytes.readUInt16BE(at.attributes);
  const baseOffset = Number(bytes.readBigInt64BE(at.baseOffset));
  const inTransaction = (attributes & batchAttribute.transactional) !== 0;
  return {
    baseOffset,
    lastOffset: baseOffset + bytes.readInt32BE(at.lastOffsetDelta),
    bytes,
    isControl: (attributes & batchAttribute.control) !== 0,
    transactionOf: inTransaction ? bytes.readBigInt64BE(at.producerId) : -1n,
  };
}

/**
 * Whether a batch belongs to an aborted transaction; asked for every batch in order, markers too.
 * A marker is one by its control bit, never by its bytes (KIP-98; Java's CompletedFetch).
 */
function abortFilter(aborted: readonly AbortedTransaction[]): (batch: Batch) => boolean {
  if (aborted.length === 0) return () => false;
  const coming = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
  const open = new Set<bigint>();
  let next = 0;
  return (batch) => {
    for (; next < coming.length && coming[next]!.firstOffset <= batch.lastOffset; next++) {
      open.add(coming[next]!.producerId);
    }
    if (batch.isControl) {
      if (isAbortMarker(batch)) open.delete(batch.transactionOf);
      return false;
    }
    return batch.transactionOf !== -1n && open.has(batch.transactionOf);
  };
}

/** A control record's key is `version i16 · type i16` (0 abort, 1 commit; others exist). */
function isAbortMarker({ bytes }: Batch): boolean {
  const { key } = new RecordReader(bytes.subarray(batchHeaderBytes)).next(0);
  if (key === null || key.length < 4) throw new Error('a control record without a type');
  return key.readInt16BE(2) === 0;
}

function badBatch(set: RecordSet, position: number, cause: Error): KafkaError {
  const { topic, partition, bytes, offset } = set;
  const isOld = cause instanceof OldFormatError;
  const where = bytes.length < position + 8 ? offset : bytes.readBigInt64BE(position);
  return new KafkaError(
    'invalid',
    `${topic}-${partition}: the batch at offset ${where} cannot be used: ${cause.message}`,
    {
      cause,
      kafkaCode: isOld ? 'UNSUPPORTED_FOR_MESSAGE_FORMAT' : 'CORRUPT_MESSAGE',
      topic,
      partition,
    },
  );
}
