import { expect, test } from 'vitest';
import { codecs } from '#shared/wire/compression.ts';
import { seededRandom } from '../../../packaging/flaky-link.ts';

/** The size of the pieces in which Node writes compressed bytes unless told otherwise. */
const nodeChunk = 16 * 1024;
const zstdMagic = Buffer.from('28b52ffd', 'hex');

/** Bytes that nothing compresses, so that their number decides the compressed size. */
function noise(length: number): Buffer {
  const random = seededRandom(length);
  return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
}

test('compressed bytes that fill a chunk to its end are followed by nothing', () => {
  let met = 0;
  for (const chunks of [1, 2, 4]) {
    for (let length = chunks * nodeChunk - 40; length < chunks * nodeChunk; length += 1) {
      const data = noise(length);
      const packed = codecs.zstd.compress(data);
      expect(Buffer.from(packed).lastIndexOf(zstdMagic)).toBe(0);
      expect(Buffer.from(codecs.zstd.decompress(packed, 2 ** 20)).equals(data)).toBe(true);
      if (packed.length % nodeChunk === 0) met += 1;
    }
  }
  expect(met).toBeGreaterThan(0);
});
