import fc from 'fast-check';
import { expect, test } from 'vitest';
import { VarintError, VarintReader, varintSize, writeVarint } from '#shared/wire/varint.ts';
import { runs, seed } from './arbitrary.ts';

function encoded(n: number): Buffer {
  const bytes = Buffer.alloc(10);
  return bytes.subarray(0, writeVarint(bytes, 0, n));
}

/** Protocol Buffers' documentation has the first ones, Kafka's ByteUtilsTest the others. */
test.each([
  [0, '00'],
  [-1, '01'],
  [1, '02'],
  [63, '7e'],
  [-64, '7f'],
  [64, '8001'],
  [8191, 'fe7f'],
  [-8192, 'ff7f'],
  [8192, '808001'],
  [2147483647, 'feffffff0f'],
  [-2147483648, 'ffffffff0f'],
  [2147483648, '8080808010'],
  [-2147483649, '8180808010'],
  [Number.MAX_SAFE_INTEGER, 'feffffffffffff1f'],
])('%d is written as %s', (n, wanted) => {
  expect(encoded(n).toString('hex')).toBe(wanted);
  expect(new VarintReader(encoded(n)).int64()).toBe(n);
});

test(`every safe integer comes back, in the size announced (seed ${seed})`, () => {
  const anything = fc.oneof(fc.maxSafeInteger(), fc.integer());
  fc.assert(
    fc.property(anything, (n) => {
      const bytes = encoded(n);
      expect(varintSize(n)).toBe(bytes.length);
      const reader = new VarintReader(bytes);
      expect(reader.int64()).toBe(n);
      expect(reader.position).toBe(bytes.length);
      if ((n | 0) === n) expect(new VarintReader(bytes).int32()).toBe(n);
      else expect(() => new VarintReader(bytes).int32()).toThrow(VarintError);
    }),
    runs(1000),
  );
});

test('a varint that is too long for its type is refused', () => {
  const read = (hex: string) => new VarintReader(Buffer.from(hex, 'hex'));
  expect(() => read('ffffffff10').int32()).toThrow(VarintError);
  expect(() => read('808080808000').int32()).toThrow(VarintError);
  expect(() => read('ffffffffffffffffff02').int64()).toThrow(VarintError);
  expect(() => read('8080808080808080808000').int64()).toThrow(VarintError);
  expect(read('ffffffffffffffffff01').int64()).toBe(-(2 ** 63));
  expect(read('8000').int32()).toBe(0);
});

test('reading never goes past the end', () => {
  const reader = new VarintReader(Buffer.from('808080', 'hex'), 0, 2);
  expect(() => reader.int32()).toThrow(VarintError);
  expect(() => new VarintReader(Buffer.alloc(0)).int64()).toThrow(VarintError);
  expect(() => new VarintReader(Buffer.alloc(3)).skip(4)).toThrow(VarintError);
  expect(() => new VarintReader(Buffer.alloc(3)).skip(-1)).toThrow(VarintError);
  expect(new VarintReader(Buffer.alloc(3)).skip(3)).toBe(0);
});
