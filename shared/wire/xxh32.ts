/**
 * xxHash, 32 bits, seed 0 (github.com/Cyan4973/xxHash): the checksum inside lz4 frames. Unsigned.
 */
export function xxh32(data: Uint8Array): number {
  const length = data.length;
  let at = 0;
  let hash: number;
  if (length >= 16) {
    let a = (prime1 + prime2) | 0;
    let b = prime2 | 0;
    let c = 0;
    let d = -prime1 | 0;
    for (; at <= length - 16; at += 16) {
      a = round(a, data, at);
      b = round(b, data, at + 4);
      c = round(c, data, at + 8);
      d = round(d, data, at + 12);
    }
    hash = (rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)) | 0;
  } else {
    hash = prime5 | 0;
  }
  hash = (hash + length) | 0;
  for (; at <= length - 4; at += 4) {
    hash = Math.imul(rotate((hash + Math.imul(word(data, at), prime3)) | 0, 17), prime4);
  }
  for (; at < length; at++) {
    hash = Math.imul(rotate((hash + Math.imul(data[at]!, prime5)) | 0, 11), prime1);
  }
  hash = Math.imul(hash ^ (hash >>> 15), prime2);
  hash = Math.imul(hash ^ (hash >>> 13), prime3);
  return (hash ^ (hash >>> 16)) >>> 0;
}

const prime1 = 0x9e3779b1;
const prime2 = 0x85ebca77;
const prime3 = 0xc2b2ae3d;
const prime4 = 0x27d4eb2f;
const prime5 = 0x165667b1;

const rotate = (n: number, bits: number): number => (n << bits) | (n >>> (32 - bits));

const word = (data: Uint8Array, at: number): number =>
  data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24);

const round = (lane: number, data: Uint8Array, at: number): number =>
  Math.imul(rotate((lane + Math.imul(word(data, at), prime2)) | 0, 13), prime1);
