import { type ProvenanceSuffix, provenanceHeaderCount } from './provenance-suffix.ts';
import type { WireRecord } from './record.ts';
import { varintSize, writeVarint } from './varint.ts';

/** Bytes of a key or value with the length before it. */
export const blobSize = (blob: Uint8Array | null): number =>
  blob === null ? 1 : varintSize(blob.length) + blob.length;

/** Bytes of a header's name with the length before it. */
export function nameSize(name: string): number {
  const bytes = Buffer.byteLength(name);
  return varintSize(bytes) + bytes;
}

/** Writes records (grammar in batch-layout.ts) one behind the other into a buffer that grows. */
export class RecordWriter {
  bytes = Buffer.allocUnsafe(64 * 1024);
  /** Where the next record goes. */
  end = 0;

  write(
    record: WireRecord,
    timestampDelta: number,
    offsetDelta: number,
    suffix?: ProvenanceSuffix,
  ) {
    const { key, value, headers } = record;
    const headerCount = headers.length + (suffix ? provenanceHeaderCount : 0);
    let size = 1 + varintSize(timestampDelta) + varintSize(offsetDelta) + varintSize(headerCount);
    size += blobSize(key) + blobSize(value) + (suffix ? suffix.bytes.length : 0);
    for (const [name, content] of headers) size += nameSize(name) + blobSize(content);
    this.reserve(varintSize(size) + size);

    this.varint(size);
    this.bytes[this.end++] = 0;
    this.varint(timestampDelta);
    this.varint(offsetDelta);
    this.blob(key);
    this.blob(value);
    this.varint(headerCount);
    for (const [name, content] of headers) {
      this.varint(Buffer.byteLength(name));
      this.end += this.bytes.write(name, this.end);
      this.blob(content);
    }
    if (suffix) {
      this.bytes.set(suffix.bytes, this.end);
      this.end += suffix.bytes.length;
    }
  }

  /** A record as it stands in other bytes, under another number and time. */
  copy(
    from: {
      readonly bytes: Buffer;
      keyAt: number;
      headerCountAt: number;
      headerCount: number;
      headersAt: number;
      end: number;
    },
    timestampDelta: number,
    offsetDelta: number,
    suffix: ProvenanceSuffix,
  ): void {
    const { bytes, keyAt, headerCountAt, headersAt, end } = from;
    const headerCount = from.headerCount + provenanceHeaderCount;
    let size = 1 + varintSize(timestampDelta) + varintSize(offsetDelta) + varintSize(headerCount);
    size += headerCountAt - keyAt + (end - headersAt) + suffix.bytes.length;
    this.reserve(varintSize(size) + size);

    this.varint(size);
    this.bytes[this.end++] = 0;
    this.varint(timestampDelta);
    this.varint(offsetDelta);
    this.end += bytes.copy(this.bytes, this.end, keyAt, headerCountAt);
    this.varint(headerCount);
    if (end > headersAt) this.end += bytes.copy(this.bytes, this.end, headersAt, end);
    this.bytes.set(suffix.bytes, this.end);
    this.end += suffix.bytes.length;
  }

  private reserve(more: number): void {
    const needed = this.end + more;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(larger, 0, 0, this.end);
    this.bytes = larger;
  }

  private varint(n: number): void {
    this.end = writeVarint(this.bytes, this.end, n);
  }

  private blob(blob: Uint8Array | null): void {
    this.varint(blob === null ? -1 : blob.length);
    if (blob === null) return;
    this.bytes.set(blob, this.end);
    this.end += blob.length;
  }
}
