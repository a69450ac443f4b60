import type { RecordHeader, WireRecord } from './record.ts';
import { VarintError, VarintReader } from './varint.ts';

/** Reads records (grammar in batch-layout.ts) as views of `bytes`. Damage throws a VarintError. */
export class RecordReader {
  private readonly bytes: Buffer;
  private readonly reader: VarintReader;
  /** Of the record read last. */
  offsetDelta = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.reader = new VarintReader(this.bytes);
  }

  /** Bytes behind the records read so far. */
  get left(): number {
    return this.bytes.length - this.reader.position;
  }

  next(baseTimestamp: number): WireRecord {
    const { reader } = this;
    const length = reader.int32();
    const end = reader.skip(length) + length;
    reader.position = end - length;
    reader.byte();
    const timestamp = baseTimestamp + reader.int64();
    this.offsetDelta = reader.int32();
    const key = this.blob();
    const value = this.blob();
    const headers: RecordHeader[] = [];
    const headerCount = reader.int32();
    if (headerCount < 0) throw new VarintError(`${headerCount} headers`);
    while (headers.length < headerCount) headers.push(this.header());
    if (reader.position !== end) throw new VarintError(`record should end at ${end}`);
    return { key, value, headers, timestamp };
  }

  private header(): RecordHeader {
    const name = this.blob();
    if (name === null) throw new VarintError('a header has no name');
    return [name.toString(), this.blob()];
  }

  private blob(): Buffer | null {
    const length = this.reader.int32();
    if (length === -1) return null;
    const start = this.reader.skip(length);
    return this.bytes.subarray(start, start + length);
  }
}
