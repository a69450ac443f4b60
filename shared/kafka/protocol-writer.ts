/** Longer bytes are not copied but sent from where they are. */
const copiedBytesMax = 2048;

/**
 * Writes the body of a request in Kafka's protocol (big-endian). In a flexible version (KIP-482)
 * strings, bytes and arrays are compact and structures end with tagged fields, so that one codec
 * serves both: it calls `tags` where a structure ends.
 */
export class ProtocolWriter {
  readonly flexible: boolean;
  #bytes: Buffer;
  #start = 0;
  #end = 0;
  #chunks: Buffer[] = [];

  constructor(flexible = false, capacityBytes = 512) {
    this.flexible = flexible;
    this.#bytes = Buffer.allocUnsafe(capacityBytes);
  }

  int8(value: number): void {
    this.#room(1);
    this.#end = this.#bytes.writeInt8(value, this.#end);
  }

  boolean(value: boolean): void {
    this.int8(value ? 1 : 0);
  }

  int16(value: number): void {
    this.#room(2);
    this.#end = this.#bytes.writeInt16BE(value, this.#end);
  }

  int32(value: number): void {
    this.#room(4);
    this.#end = this.#bytes.writeInt32BE(value, this.#end);
  }

  int64(value: number | bigint): void {
    this.#room(8);
    this.#end = this.#bytes.writeBigInt64BE(BigInt(value), this.#end);
  }

  uvarint(value: number): void {
    this.#room(5);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#end++] = (rest & 0x7f) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#end++] = rest;
  }

  string(value: string): void {
    this.nullableString(value);
  }

  nullableString(value: string | null): void {
    if (value === null) {
      if (this.flexible) this.uvarint(0);
      else this.int16(-1);
      return;
    }
    const size = Buffer.byteLength(value);
    if (this.flexible) this.uvarint(size + 1);
    else this.int16(size);
    this.#room(size);
    this.#bytes.write(value, this.#end, size, 'utf8');
    this.#end += size;
  }

  /** Long ones by reference: they must not change until the request is answered. */
  bytes(value: Uint8Array | null): void {
    this.bytesSize(value === null ? null : value.length);
    if (value !== null) this.raw(value);
  }

  /** What stands before bytes of that length, which `raw` then writes. */
  bytesSize(size: number | null): void {
    if (this.flexible) this.uvarint(size === null ? 0 : size + 1);
    else this.int32(size ?? -1);
  }

  /** Without a length; see `bytes`. */
  raw(value: Uint8Array): void {
    if (value.length <= copiedBytesMax) {
      this.#room(value.length);
      this.#bytes.set(value, this.#end);
      this.#end += value.length;
      return;
    }
    this.#flush();
    this.#chunks.push(Buffer.from(value.buffer, value.byteOffset, value.length));
  }

  /** 32 hexadecimal digits. */
  uuid(value: string): void {
    this.#room(16);
    this.#end += this.#bytes.write(value, this.#end, 16, 'hex');
  }

  array<T>(items: readonly T[] | null, write: (item: T) => void): void {
    if (this.flexible) this.uvarint(items === null ? 0 : items.length + 1);
    else this.int32(items === null ? -1 : items.length);
    for (const item of items ?? []) write(item);
  }

  /** No tagged fields, where the version has any. */
  tags(): void {
    if (this.flexible) this.uvarint(0);
  }

  /** All that was written; the writer is used up. */
  finish(): Buffer[] {
    this.#flush();
    return this.#chunks;
  }

  #flush(): void {
    if (this.#end > this.#start) this.#chunks.push(this.#bytes.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }

  #room(size: number): void {
    if (this.#end + size <= this.#bytes.length) return;
    const used = this.#end - this.#start;
    const grown = Buffer.allocUnsafe(Math.max(512, 2 * (used + size)));
    this.#bytes.copy(grown, 0, this.#start, this.#end);
    this.#bytes = grown;
    this.#start = 0;
    this.#end = used;
  }
}
