/**
 * Kafka's zigzag varints (base-128, least significant group first, signed by zigzag), as in its
 * records. Numbers must be safe integers; everything beyond 32 bits takes a slow path.
 */

/** Reading ran over the end, or a varint is longer than its type: the bytes are no records. */
export class VarintError extends RangeError {
  override name = 'VarintError';
}

const isInt32 = (n: number): boolean => (n | 0) === n;

/** Bytes that `n` takes. */
export function varintSize(n: number): number {
  if (!isInt32(n)) return bigVarint(n).length;
  const z = ((n << 1) ^ (n >> 31)) >>> 0;
  if (z < 0x80) return 1;
  if (z < 0x4000) return 2;
  if (z < 0x200000) return 3;
  return z < 0x10000000 ? 4 : 5;
}

/** Writes `n` at `at`, where there must be room, and returns the position behind it. */
export function writeVarint(bytes: Uint8Array, at: number, n: number): number {
  let position = at;
  if (!isInt32(n)) {
    for (const byte of bigVarint(n)) bytes[position++] = byte;
    return position;
  }
  let z = ((n << 1) ^ (n >> 31)) >>> 0;
  while (z > 0x7f) {
    bytes[position++] = (z & 0x7f) | 0x80;
    z >>>= 7;
  }
  bytes[position++] = z;
  return position;
}

function bigVarint(n: number): number[] {
  const value = BigInt(n);
  let z = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  const bytes: number[] = [];
  for (; z > 0x7fn; z >>= 7n) bytes.push(Number(z & 0x7fn) | 0x80);
  bytes.push(Number(z));
  return bytes;
}

/** Reads varints and skips bytes, never past `end`. */
export class VarintReader {
  readonly bytes: Uint8Array;
  position: number;
  end: number;

  constructor(bytes: Uint8Array, position = 0, end = bytes.length) {
    this.bytes = bytes;
    this.position = position;
    this.end = end;
  }

  byte(): number {
    if (this.position >= this.end) throw new VarintError(`nothing left at ${this.position}`);
    return this.bytes[this.position++]!;
  }

  /** A varint of 32 bits. */
  int32(): number {
    const first = this.byte();
    if (first < 0x80) return (first >>> 1) ^ -(first & 1);
    let z = first & 0x7f;
    for (let shift = 7; shift < 35; shift += 7) {
      const byte = this.byte();
      if (shift === 28 && byte > 0x0f) break;
      z |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (z >>> 1) ^ -(z & 1);
    }
    throw new VarintError(`no 32-bit varint before ${this.position}`);
  }

  /** A varint of 64 bits; not a safe integer where it does not fit into one. */
  int64(): number {
    const start = this.position;
    let byte = this.byte();
    for (let length = 1; length < 5 && byte >= 0x80; length++) byte = this.byte();
    if (byte < 0x80 && (this.position - start < 5 || byte <= 0x0f)) {
      this.position = start;
      return this.int32();
    }
    this.position = start;
    return this.bigInt64();
  }

  /** Skips `length` bytes and returns where they began. */
  skip(length: number): number {
    const start = this.position;
    if (length < 0 || length > this.end - start) {
      throw new VarintError(`${length} bytes wanted at ${start}, ${this.end - start} left`);
    }
    this.position = start + length;
    return start;
  }

  private bigInt64(): number {
    let z = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      if (shift === 63n && byte > 1) break;
      z |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number((z >> 1n) ^ -(z & 1n));
    }
    throw new VarintError(`no 64-bit varint before ${this.position}`);
  }
}
