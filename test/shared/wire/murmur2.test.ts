import { murmur2 as theirs } from '@platformatic/kafka';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { murmur2, partitionOf } from '#shared/wire/murmur2.ts';
import { runs, seed } from './arbitrary.ts';

/** From Kafka's own UtilsTest.testMurmur2. */
test.each([
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
])('murmur2 of "%s" is Kafka’s', (key, hash) => {
  expect(murmur2(Buffer.from(key))).toBe(hash);
});

test('a key goes where Kafka’s default partitioner puts it', () => {
  expect(partitionOf(Buffer.from('21'), 10)).toBe((-973932308 & 0x7fffffff) % 10);
  expect(partitionOf(Buffer.from('abc'), 7)).toBe(479470107 % 7);
  expect(partitionOf(Buffer.from('anything'), 1)).toBe(0);
});

test(`any key goes to one of the partitions, always the same (seed ${seed})`, () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 999 }), (key, of) => {
      const partition = partitionOf(key, of);
      expect(partition).toBeGreaterThanOrEqual(0);
      expect(partition).toBeLessThan(of);
      expect(partitionOf(Buffer.from(key), of)).toBe(partition);
      expect(murmur2(key)).toBe(theirs(Buffer.from(key)));
    }),
    runs(300),
  );
});
