import { limits } from './limits.ts';

/** A header as Kafka has it: order and repeats matter, a value may be null. */
export type RecordHeader = readonly [name: string, value: Buffer | null];

/** A Kafka record: what a source takes in and a reader at central gets back, byte for byte. */
export interface WireRecord {
  key: Buffer | null;
  value: Buffer | null;
  headers: readonly RecordHeader[];
  /** CreateTime, milliseconds since the Unix epoch. */
  timestamp: number;
}

/**
 * Whole milliseconds that Kafka, JavaScript's Date and exact arithmetic on differences all bear:
 * from -1, Kafka's "none", to the year 275760.
 */
export const isTimestamp = (ms: number): boolean =>
  Number.isInteger(ms) && ms >= -1 && ms <= 8_640_000_000_000_000;

/** Bytes that count against {@link limits.recordBytes}: key, value, header names and values. */
export function recordBytes(record: WireRecord): number {
  let bytes = (record.key?.length ?? 0) + (record.value?.length ?? 0);
  for (const [name, value] of record.headers)
    bytes += Buffer.byteLength(name) + (value?.length ?? 0);
  return bytes;
}

/** Header names that only the sealing of a segment may write. */
export const reservedHeaderPrefix = 'tributary.';

/** Where a record comes from; written as four headers behind the record's own (DESIGN §2). */
export interface Provenance {
  alias: string;
  /** The topic's name at the edge, without prefix. */
  topic: string;
  /** 32 hexadecimal digits. */
  epoch: string;
  /** Sequence of the batch's first record; each following record has one more. */
  firstSequence: number;
}

export const provenanceHeaders = {
  alias: 'tributary.alias',
  topic: 'tributary.topic',
  epoch: 'tributary.epoch',
  sequence: 'tributary.sequence',
} as const;

/** Why a record cannot be taken; undefined when it can. Words name the field and the limit. */
export function recordProblem(
  record: WireRecord,
): { code: 'too-large' | 'bad-record'; message: string } | undefined {
  const bytes = recordBytes(record);
  if (bytes > limits.recordBytes) {
    return {
      code: 'too-large',
      message: `record is ${bytes} bytes; the limit is ${limits.recordBytes}`,
    };
  }
  if (record.headers.length > limits.headersPerRecord) {
    return {
      code: 'bad-record',
      message: `${record.headers.length} headers; the limit is ${limits.headersPerRecord}`,
    };
  }
  const reserved = record.headers.find(([name]) => name.startsWith(reservedHeaderPrefix));
  if (reserved) {
    return {
      code: 'bad-record',
      message: `header "${reserved[0]}" begins with "${reservedHeaderPrefix}", which is reserved`,
    };
  }
  if (!isTimestamp(record.timestamp)) {
    return {
      code: 'bad-record',
      message: `timestamp ${record.timestamp} is not a whole number of milliseconds since 1970`,
    };
  }
  return undefined;
}
