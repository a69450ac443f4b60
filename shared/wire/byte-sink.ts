/** Grows as it is written to, up to a limit; a decompressor's output, of which it may copy. */
export class ByteSink {
  bytes: Uint8Array;
  length = 0;
  private readonly lengthMax: number;

  constructor(size: number, lengthMax: number) {
    this.bytes = Buffer.allocUnsafe(Math.min(size, lengthMax));
    this.lengthMax = lengthMax;
  }

  append(data: Uint8Array, start: number, length: number): void {
    if (length > data.length - start) throw new RangeError('input is cut off');
    this.reserve(length);
    this.bytes.set(data.subarray(start, start + length), this.length);
    this.length += length;
  }

  /** `length` bytes from `distance` back; they may reach into what is being written. */
  repeat(distance: number, length: number, from = 0): void {
    if (distance < 1 || distance > this.length - from) {
      throw new RangeError(`copy from ${distance} back at ${this.length - from}`);
    }
    this.reserve(length);
    const { bytes } = this;
    let at = this.length;
    if (distance >= length) bytes.copyWithin(at, at - distance, at - distance + length);
    else for (let left = length; left > 0; left--, at++) bytes[at] = bytes[at - distance]!;
    this.length += length;
  }

  push(byte: number): void {
    this.reserve(1);
    this.bytes[this.length++] = byte;
  }

  done(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  private reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    if (needed > this.lengthMax) throw new OutputTooLarge(this.lengthMax);
    const size = Math.min(this.lengthMax, Math.max(needed, this.bytes.length * 2));
    const larger = Buffer.allocUnsafe(size);
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }
}

/** The same code as node:zlib's, so that one check sees both. */
export class OutputTooLarge extends RangeError {
  readonly code = 'ERR_BUFFER_TOO_LARGE';

  constructor(lengthMax: number) {
    super(`output is larger than ${lengthMax} bytes`);
  }
}
