import { ByteSink, OutputTooLarge } from './byte-sink.ts';
import { blockBytes, findMatches } from './lz-matches.ts';

/**
 * Snappy (github.com/google/snappy, format_description.txt).
 *
 *   raw     := length (varint, uncompressed) · element*
 *   element := literal: tag xxxxxx00 · [length - 1 in 1 to 4 bytes when x is 60 to 63] · bytes
 *            | copy1: tag dddlll01 · d (length 4 + l, distance 11 bits)
 *            | copy2: tag llllll10 · distance u16 (length 1 + l)
 *            | copy4: tag llllll11 · distance u32; little-endian
 *
 * Kafka's Java client frames raw blocks as snappy-java's SnappyOutputStream does ("xerial"):
 *
 *   xerial  := 82 'SNAPPY' 00 · version u32 · compatible u32 · (length u32 · raw)*, big-endian
 *
 * Other clients (librdkafka) write a single raw block; every reader takes both, and so do we.
 */
const xerialMagic = Buffer.from('82534e4150505900', 'hex');
const xerialHeaderBytes = 16;

/** Writes raw snappy. Throws a RangeError where `data` is damaged or gives more than `maxBytes`. */
export function snappyDecompress(data: Uint8Array, maxBytes: number): Uint8Array {
  if (Buffer.compare(data.subarray(0, 8), xerialMagic) !== 0) return inflateRaw(data, maxBytes);
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
  if (bytes.length < xerialHeaderBytes) throw new RangeError('xerial header is cut off');
  const parts: Uint8Array[] = [];
  let left = maxBytes;
  for (let at = xerialHeaderBytes; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    at += 4;
    if (length > bytes.length - at) throw new RangeError('xerial block is cut off');
    const part = inflateRaw(bytes.subarray(at, at + length), left);
    parts.push(part);
    left -= part.length;
    at += length;
  }
  return Buffer.concat(parts);
}

function inflateRaw(data: Uint8Array, maxBytes: number): Uint8Array {
  const { length, next } = readLength(data);
  if (length > maxBytes) throw new OutputTooLarge(maxBytes);
  const out = new ByteSink(length, length);
  let at = next;
  while (at < data.length) {
    const tag = data[at++]!;
    const kind = tag & 3;
    if (kind === 0) {
      const extra = Math.max(0, (tag >> 2) - 59);
      const size = (extra === 0 ? tag >> 2 : little(data, at, extra)) + 1;
      out.append(data, at + extra, size);
      at += extra + size;
    } else if (kind === 1) {
      out.repeat(((tag >> 5) << 8) | little(data, at, 1), 4 + ((tag >> 2) & 7));
      at += 1;
    } else {
      const width = kind === 2 ? 2 : 4;
      out.repeat(little(data, at, width), (tag >> 2) + 1);
      at += width;
    }
  }
  if (out.length !== length) throw new RangeError(`${out.length} bytes, ${length} announced`);
  return out.done();
}

function readLength(data: Uint8Array): { length: number; next: number } {
  let length = 0;
  for (let at = 0; at < 5; at++) {
    const byte = little(data, at, 1);
    length += (byte & 0x7f) * 2 ** (7 * at);
    if (byte < 0x80) return { length, next: at + 1 };
  }
  throw new RangeError('length is longer than five bytes');
}

function little(data: Uint8Array, at: number, width: number): number {
  if (at + width > data.length) throw new RangeError('input is cut off');
  let value = 0;
  for (let i = width - 1; i >= 0; i--) value = value * 256 + data[at + i]!;
  return value;
}

export function snappyCompress(data: Uint8Array): Uint8Array {
  const out = new ByteSink((data.length >> 1) + 64, Number.MAX_SAFE_INTEGER);
  let length = data.length;
  for (; length > 0x7f; length >>>= 7) out.push((length & 0x7f) | 0x80);
  out.push(length);
  for (let from = 0; from < data.length; from += blockBytes) {
    const to = Math.min(from + blockBytes, data.length);
    const literals = findMatches(data, from, to, (literal, start, distance, size) => {
      writeLiteral(out, data, literal, start);
      for (let left = size; left > 0; left -= 64) {
        out.push(((Math.min(left, 64) - 1) << 2) | 2);
        out.push(distance & 0xff);
        out.push(distance >> 8);
      }
    });
    writeLiteral(out, data, literals, to);
  }
  return out.done();
}

function writeLiteral(out: ByteSink, data: Uint8Array, start: number, end: number): void {
  const length = end - start;
  if (length === 0) return;
  if (length <= 60) {
    out.push((length - 1) << 2);
  } else {
    out.push(61 << 2);
    out.push((length - 1) & 0xff);
    out.push((length - 1) >> 8);
  }
  out.append(data, start, length);
}
