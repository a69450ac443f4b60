/**
 * Kafka's plain struct encoding (org.apache.kafka.common.protocol.types), as MirrorMaker 2's
 * internal topics hold it: fields back to back, big-endian, nothing flexible and no tags.
 *
 *   INT16 2 bytes · INT32 4 · INT64 8, signed · STRING := length INT16 (bytes, never -1) · UTF-8
 */

const stringBytesMax = 32_767;

/** A record that Apache's readers could not read either, or a field that cannot be written. */
export class Mm2FormatError extends Error {
  override name = 'Mm2FormatError';
}

/** Appends fields in order; `bytes` ends it. */
export class StructWriter {
  private readonly parts: Buffer[] = [];

  int16(value: number): this {
    const part = Buffer.allocUnsafe(2);
    part.writeInt16BE(value);
    return this.add(part);
  }

  int32(field: string, value: number): this {
    if (!Number.isInteger(value) || value < 0 || value > 0x7fff_ffff) {
      throw new Mm2FormatError(`${field} is ${value}: must be a whole number below 2^31`);
    }
    const part = Buffer.allocUnsafe(4);
    part.writeInt32BE(value);
    return this.add(part);
  }

  int64(field: string, value: number): this {
    if (!Number.isSafeInteger(value)) {
      throw new Mm2FormatError(`${field} is ${value}: must be a safe integer`);
    }
    const part = Buffer.allocUnsafe(8);
    part.writeBigInt64BE(BigInt(value));
    return this.add(part);
  }

  string(field: string, value: string): this {
    const text = Buffer.from(value, 'utf8');
    if (text.length > stringBytesMax) {
      throw new Mm2FormatError(`${field} is ${text.length} bytes; the limit is ${stringBytesMax}`);
    }
    return this.int16(text.length).add(text);
  }

  bytes(): Buffer {
    return Buffer.concat(this.parts);
  }

  private add(part: Buffer): this {
    this.parts.push(part);
    return this;
  }
}

/** Reads fields in order. Bytes behind the last are ignored, as Apache's readers do. */
export class StructReader {
  private readonly what: string;
  private readonly data: Buffer;
  private position = 0;

  /** `what` names the record's part, for the error: "checkpoint key". */
  constructor(what: string, data: Uint8Array | null) {
    this.what = what;
    if (data === null) throw new Mm2FormatError(`${what} is null`);
    this.data = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  }

  int16(): number {
    return this.data.readInt16BE(this.take(2));
  }

  int32(): number {
    return this.data.readInt32BE(this.take(4));
  }

  int64(): number {
    const value = Number(this.data.readBigInt64BE(this.take(8)));
    if (Number.isSafeInteger(value)) return value;
    throw new Mm2FormatError(`${this.what} holds ${value}, beyond the safe integers`);
  }

  string(): string {
    const length = this.int16();
    if (length < 0) throw new Mm2FormatError(`${this.what} holds a null string`);
    const start = this.take(length);
    return this.data.toString('utf8', start, start + length);
  }

  /** The version header in front of a value: only 0 is known. */
  version(): void {
    const version = this.int16();
    if (version !== 0) throw new Mm2FormatError(`${this.what} has version ${version}; 0 is known`);
  }

  private take(length: number): number {
    const start = this.position;
    if (length > this.data.length - start) {
      throw new Mm2FormatError(`${this.what} is cut off after ${this.data.length} bytes`);
    }
    this.position += length;
    return start;
  }
}
