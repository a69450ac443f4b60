/**
 * The search that lz4 and snappy share: greedy, one candidate per hash of four bytes, within blocks
 * so small that every distance fits two bytes. Kept simple: what we seal ourselves is zstd.
 */
export const blockBytes = 64 * 1024;

/** Bytes at a block's end that stay literal, as the lz4 format demands; snappy does not mind. */
const tail = 12;
const hashBits = 13;
const table = new Int32Array(1 << hashBits);

/**
 * `data[literals, start)` go as they are, then `length` (4 at least) bytes from `distance` back.
 */
export type OnMatch = (literals: number, start: number, distance: number, length: number) => void;

/** Finds the matches of one block and returns where its last literals begin. */
export function findMatches(data: Uint8Array, from: number, to: number, found: OnMatch): number {
  table.fill(-1);
  const last = to - tail;
  let literals = from;
  let position = from;
  while (position < last) {
    const hash = hashAt(data, position);
    const candidate = table[hash]!;
    table[hash] = position;
    if (candidate < from || !sameFour(data, candidate, position)) {
      // The longer nothing matched, the larger the steps: incompressible data passes quickly.
      position += 1 + ((position - literals) >> 6);
      continue;
    }
    let length = 4;
    while (position + length < to - 5 && data[candidate + length] === data[position + length]) {
      length++;
    }
    found(literals, position, position - candidate, length);
    position += length;
    literals = position;
  }
  return literals;
}

function hashAt(data: Uint8Array, i: number): number {
  const four = data[i]! | (data[i + 1]! << 8) | (data[i + 2]! << 16) | (data[i + 3]! << 24);
  return Math.imul(four, 0x9e3779b1) >>> (32 - hashBits);
}

function sameFour(data: Uint8Array, a: number, b: number): boolean {
  for (let i = 0; i < 4; i++) if (data[a + i] !== data[b + i]) return false;
  return true;
}
