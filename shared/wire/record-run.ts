import { limits } from './limits.ts';
import { isTimestamp, reservedHeaderPrefix } from './record.ts';
import { VarintError, VarintReader } from './varint.ts';

/**
 * Records of any producer as a batch has them (grammar in batch-layout.ts), back to back and
 * uncompressed: they are carried on without being opened.
 */
export interface RecordRun {
  bytes: Uint8Array;
  count: number;
  /** Added to each record's timestamp delta, ms. */
  baseTimestamp: number;
  /** The time of them all, where the broker set it; null: each its own. */
  timestamp: number | null;
  /** Added to each record's offset delta: its place at the source. */
  baseOffset: number;
}

const reserved = Buffer.from(reservedHeaderPrefix);
/** Key, value and headers are less than the record's whole length. */
const surelySmall = limits.recordBytes;

/** Goes over the records of a run, one at a time. Damage throws a VarintError. */
export class RunWalk {
  readonly bytes: Buffer;
  readonly #run: Pick<RecordRun, 'baseTimestamp' | 'timestamp' | 'baseOffset'>;
  readonly #reader: VarintReader;
  /** The record that `next` came to: where it begins, and what is behind it. */
  start = 0;
  end = 0;
  offset = 0;
  timestamp = 0;
  /** Where the length of its key stands, and the count of its headers. */
  keyAt = 0;
  headerCountAt = 0;
  headerCount = 0;
  headersAt = 0;
  /** Bytes of key, value, header names and values. */
  payload = 0;

  constructor(run: Omit<RecordRun, 'count'>) {
    const { bytes } = run;
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#run = run;
    this.#reader = new VarintReader(this.bytes);
  }

  next(): void {
    const reader = this.#reader;
    const { baseTimestamp, timestamp, baseOffset } = this.#run;
    reader.position = this.end;
    this.start = this.end;
    const length = reader.int32();
    this.end = reader.skip(length) + length;
    reader.position = this.end - length;
    reader.byte();
    const delta = reader.int64();
    this.timestamp = timestamp ?? baseTimestamp + delta;
    this.offset = baseOffset + reader.int32();
    this.keyAt = reader.position;
    this.payload = this.#blob() + this.#blob();
    this.headerCountAt = reader.position;
    this.headerCount = reader.int32();
    this.headersAt = reader.position;
    if (this.headerCount === 0) reader.position = this.headersAt;
    else this.#headers();
    if (reader.position !== this.end) throw new VarintError(`record should end at ${this.end}`);
  }

  /** Goes back to before the record, which `next` then comes to again. */
  back(): void {
    this.end = this.start;
  }

  /** Whether it can be sealed as it is; otherwise it has to be opened and looked at. */
  isPlain(): boolean {
    if (this.end - this.start > surelySmall || !isTimestamp(this.timestamp)) return false;
    if (this.headerCount === 0) return true;
    return this.headerCount <= limits.headersPerRecord && !this.#isReserved();
  }

  #isReserved(): boolean {
    const reader = this.#reader;
    reader.position = this.headersAt;
    for (let i = 0; i < this.headerCount; i++) {
      const length = reader.int32();
      const at = reader.skip(length);
      const begins = Math.min(at + reserved.length, at + length);
      if (this.bytes.compare(reserved, 0, reserved.length, at, begins) === 0) return true;
      this.#blob();
    }
    return false;
  }

  #headers(): void {
    if (this.headerCount < 0) throw new VarintError(`${this.headerCount} headers`);
    for (let i = 0; i < this.headerCount; i++) {
      const length = this.#reader.int32();
      this.#reader.skip(length);
      this.payload += length + this.#blob();
    }
  }

  #blob(): number {
    const length = this.#reader.int32();
    if (length === -1) return 0;
    this.#reader.skip(length);
    return length;
  }
}
