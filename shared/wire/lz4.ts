import { ByteSink } from './byte-sink.ts';
import { blockBytes, findMatches } from './lz-matches.ts';
import { xxh32 } from './xxh32.ts';

/**
 * The lz4 frame (github.com/lz4/lz4, doc/lz4_Frame_format.md) as far as Kafka's Java client reads
 * it (KafkaLZ4BlockInputStream): version 1, independent blocks, no dictionary. Little-endian.
 *
 *   frame    := 04 22 4D 18 · flags u8 · sizes u8 · [content size u64] · (xxh32 of these >> 8) u8
 *               · block* · 0 u32 · [xxh32 of the content u32]
 *   block    := length u32 (highest bit: stored as it is) · bytes · [xxh32 of the bytes u32]
 *   bytes    := sequence*, the last one without a copy
 *   sequence := literal length u4, copy length - 4 u4, 15 goes on in bytes while they are 255
 *               · literals · distance u16
 */
const magic = 0x184d2204;
const flag = {
  version: 0b1100_0000,
  independent: 0b0010_0000,
  blockChecksum: 0b0001_0000,
  contentSize: 0b0000_1000,
  contentChecksum: 0b0000_0100,
  unknown: 0b0000_0011,
} as const;
const stored = 0x8000_0000;

function check(fine: boolean, problem: string): void {
  if (!fine) throw new RangeError(problem);
}

/** Throws a RangeError where `data` is damaged or gives more than `maxBytes`. */
export function lz4Decompress(data: Uint8Array, maxBytes: number): Uint8Array {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
  const { flags, blockMax, next } = readHeader(bytes);
  const out = new ByteSink(Math.max(data.length * 4, 1024), maxBytes);
  let at = next;
  for (;;) {
    const word = bytes.readUInt32LE(at);
    at += 4;
    if (word === 0) break;
    const length = word & ~stored;
    check(length <= bytes.length - at, 'block is cut off');
    const block = bytes.subarray(at, at + length);
    at += length;
    const before = out.length;
    if (word & stored) out.append(block, 0, length);
    else inflateBlock(block, out);
    check(out.length - before <= blockMax, 'block is larger than its frame says');
    if (flags & flag.blockChecksum) {
      check(bytes.readUInt32LE(at) === xxh32(block), 'checksum of a block is wrong');
      at += 4;
    }
  }
  const content = out.done();
  if (flags & flag.contentChecksum) {
    check(bytes.readUInt32LE(at) === xxh32(content), 'checksum of the content is wrong');
    at += 4;
  }
  check(at === bytes.length, `${bytes.length - at} bytes behind the frame`);
  return content;
}

function readHeader(bytes: Buffer): { flags: number; blockMax: number; next: number } {
  check(bytes.readUInt32LE(0) === magic, 'no lz4 frame');
  const flags = bytes.readUInt8(4);
  const sizes = bytes.readUInt8(5);
  check((flags & flag.version) === 0b0100_0000, 'unknown version of the lz4 frame');
  check((flags & flag.independent) !== 0, 'blocks that depend on each other');
  check((flags & flag.unknown) === 0 && (sizes & 0x8f) === 0, 'unknown flags of the lz4 frame');
  check(sizes >> 4 >= 4, 'unknown block size');
  const end = flags & flag.contentSize ? 14 : 6;
  check(bytes.readUInt8(end) === ((xxh32(bytes.subarray(4, end)) >> 8) & 0xff), 'header checksum');
  return { flags, blockMax: 1 << (8 + 2 * (sizes >> 4)), next: end + 1 };
}

function inflateBlock(block: Buffer, out: ByteSink): void {
  const start = out.length;
  let at = 0;
  const length = (nibble: number): number => {
    let sum = nibble;
    for (let more = nibble === 15 ? 255 : 0; more === 255; sum += more)
      more = block.readUInt8(at++);
    return sum;
  };
  for (;;) {
    const token = block.readUInt8(at++);
    const literals = length(token >> 4);
    out.append(block, at, literals);
    at += literals;
    if (at === block.length) return;
    const distance = block.readUInt16LE(at);
    at += 2;
    out.repeat(distance, length(token & 15) + 4, start);
  }
}

/**
 * 64 KiB blocks without checksums (Kafka's batch has one of its own), as Kafka's Java client
 * writes.
 */
export function lz4Compress(data: Uint8Array): Uint8Array {
  const out = new ByteSink((data.length >> 1) + 64, Number.MAX_SAFE_INTEGER);
  const header = Buffer.from('04224d186040', 'hex');
  out.append(header, 0, 6);
  out.push((xxh32(header.subarray(4)) >> 8) & 0xff);
  for (let from = 0; from < data.length; from += blockBytes) {
    const to = Math.min(from + blockBytes, data.length);
    const lengthAt = out.length;
    pushU32(out, 0);
    deflateBlock(data, from, to, out);
    let word = out.length - lengthAt - 4;
    if (word >= to - from) {
      out.length = lengthAt + 4;
      out.append(data, from, to - from);
      word = ((to - from) | stored) >>> 0;
    }
    Buffer.from(out.bytes.buffer, out.bytes.byteOffset).writeUInt32LE(word, lengthAt);
  }
  pushU32(out, 0);
  return out.done();
}

function deflateBlock(data: Uint8Array, from: number, to: number, out: ByteSink): void {
  const literals = findMatches(data, from, to, (literal, start, distance, length) => {
    pushToken(out, start - literal, length - 4);
    out.append(data, literal, start - literal);
    out.push(distance & 0xff);
    out.push(distance >> 8);
    pushLength(out, length - 4);
  });
  pushToken(out, to - literals, 0);
  out.append(data, literals, to - literals);
}

function pushToken(out: ByteSink, literals: number, copy: number): void {
  out.push((Math.min(literals, 15) << 4) | Math.min(copy, 15));
  pushLength(out, literals);
}

function pushLength(out: ByteSink, length: number): void {
  if (length < 15) return;
  let left = length - 15;
  for (; left >= 255; left -= 255) out.push(255);
  out.push(left);
}

function pushU32(out: ByteSink, value: number): void {
  for (let shift = 0; shift < 32; shift += 8) out.push((value >>> shift) & 0xff);
}
