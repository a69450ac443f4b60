import { describe, expect, test } from 'vitest';
import type { LandingBench } from './landing-bench.ts';

export function describeRegistry(bench: LandingBench): void {
  describe('registry', () => {
    test('facts are read by prefix, replaced, taken away, and outlive a crash', async () => {
      const { landing } = bench;
      await landing.register([
        { key: 'a/1', value: 'one' },
        { key: 'a/2', value: 'two' },
        { key: 'ab', value: 'other' },
      ]);
      await landing.register([
        { key: 'a/1', value: 'uno' },
        { key: 'a/2', value: null },
        { key: 'a/3', value: 'three' },
      ]);
      await bench.harness.crash();
      expect(await bench.landing.registry('a/')).toEqual([
        { key: 'a/1', value: 'uno' },
        { key: 'a/3', value: 'three' },
      ]);
      expect(await bench.landing.registry('a')).toHaveLength(3);
      expect(await bench.landing.registry('%')).toEqual([]);
    });

    test('a decision on what is old by now changes nothing', async () => {
      const { landing } = bench;
      const put = (value: string, expected: string | null) =>
        landing.register([{ key: 'a', value }], new Map([['a', expected]]));
      await put('one', null);
      await put('two', 'one');
      await expect(put('three', 'one')).rejects.toMatchObject({ code: 'fenced' });
      await expect(put('three', null)).rejects.toMatchObject({ code: 'fenced' });
      expect(await landing.registry('a')).toEqual([{ key: 'a', value: 'two' }]);
    });

    test('a change that is refused takes none of its companions with it', async () => {
      const { landing } = bench;
      const tooLong = { key: 'b', value: 'x'.repeat(70_000) };
      await expect(landing.register([{ key: 'a', value: 'a' }, tooLong])).rejects.toThrow(
        /too many/,
      );
      expect(await landing.registry('')).toEqual([]);
    });
  });
}
