/** The bytes are not what the protocol says: nothing on that connection can be trusted. */
export class ProtocolError extends Error {
  override name = 'ProtocolError';
}

/**
 * Reads the body of an answer in Kafka's protocol; see ProtocolWriter about `flexible`. All bytes
 * handed out are views. Throws a ProtocolError where there is less than a field needs.
 */
export class ProtocolReader {
  readonly flexible: boolean;
  readonly bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer, flexible = false) {
    this.bytes = bytes;
    this.flexible = flexible;
  }

  get left(): number {
    return this.bytes.length - this.#at;
  }

  int8(): number {
    return this.bytes.readInt8(this.#take(1));
  }

  boolean(): boolean {
    return this.int8() !== 0;
  }

  int16(): number {
    return this.bytes.readInt16BE(this.#take(2));
  }

  int32(): number {
    return this.bytes.readInt32BE(this.#take(4));
  }

  /** Exact within the safe integers; see `bigint64` for ids. */
  int64(): number {
    const at = this.#take(8);
    return this.bytes.readInt32BE(at) * 0x1_0000_0000 + this.bytes.readUInt32BE(at + 4);
  }

  bigint64(): bigint {
    return this.bytes.readBigInt64BE(this.#take(8));
  }

  uvarint(): number {
    let value = 0;
    for (let scale = 1; scale <= 0x8000_0000; scale *= 0x80) {
      const byte = this.bytes[this.#take(1)]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new ProtocolError('a varint has more than five bytes');
  }

  string(): string {
    const value = this.nullableString();
    if (value === null) throw new ProtocolError('a string that must be there is null');
    return value;
  }

  nullableString(): string | null {
    const size = this.flexible ? this.uvarint() - 1 : this.int16();
    if (size < 0) return null;
    const at = this.#take(size);
    return this.bytes.toString('utf8', at, at + size);
  }

  /** Null reads as empty; see `nullableBytes`. */
  blob(): Buffer {
    return this.nullableBytes() ?? this.bytes.subarray(0, 0);
  }

  nullableBytes(): Buffer | null {
    const size = this.flexible ? this.uvarint() - 1 : this.int32();
    if (size < 0) return null;
    const at = this.#take(size);
    return this.bytes.subarray(at, at + size);
  }

  /** 32 hexadecimal digits. */
  uuid(): string {
    const at = this.#take(16);
    return this.bytes.toString('hex', at, at + 16);
  }

  /** Null reads as empty. */
  array<T>(read: () => T): T[] {
    const count = this.flexible ? this.uvarint() - 1 : this.int32();
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(read());
    return items;
  }

  /** Skips a structure's tagged fields, where the version has any. */
  tags(): void {
    if (!this.flexible) return;
    for (let count = this.uvarint(); count > 0; count--) {
      this.uvarint();
      this.#take(this.uvarint());
    }
  }

  #take(size: number): number {
    const at = this.#at;
    if (at + size > this.bytes.length) {
      throw new ProtocolError(`${size} bytes wanted at ${at}, there are ${this.bytes.length}`);
    }
    this.#at = at + size;
    return at;
  }
}
