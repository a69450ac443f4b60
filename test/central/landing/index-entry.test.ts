import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeIndexEntry, encodeIndexEntry } from '#central/landing/index-entry.ts';
import type { IndexEntry } from '#central/landing/landing.ts';
import type { SourceRun } from '#shared/wire/frame.ts';
import { limits } from '#shared/wire/limits.ts';
import { seed, runs as times } from '../../shared/wire/arbitrary.ts';

const entryOf = (first: number, runs: SourceRun[]): IndexEntry => ({
  ...{ alias: 'factory-a', epoch: 'e'.repeat(32), topic: 't', partition: 3, first, runs },
  count: runs.reduce((sum, { count }) => sum + count, 0),
  remote: { topic: 'factory-a.t', offset: 77 },
  merged: [{ topic: 't', offset: 99 }],
});

function runsFrom(first: number, plain: Omit<SourceRun, 'sequence'>[]): SourceRun[] {
  let sequence = first;
  return plain.map((run) => {
    const made = { ...run, sequence };
    sequence += run.count;
    return made;
  });
}

test(`an entry is read as it was written, wherever its source went (seed ${seed})`, () => {
  const run = fc.record({
    sourceOffset: fc.maxSafeNat(),
    count: fc.integer({ min: 1, max: 10_000 }),
    incarnation: fc.constantFrom('1', '2').map((id) => id.padStart(32, '0')),
  });
  fc.assert(
    fc.property(fc.nat(), fc.array(run, { maxLength: 20 }), (first, plain) => {
      const entry = entryOf(first, runsFrom(first, plain));
      expect(decodeIndexEntry(Buffer.from(encodeIndexEntry(entry)))).toEqual(entry);
    }),
    times(500),
  );
});

test('as many runs as a frame may have take little, and fit a record by far', () => {
  const incarnation = '1'.padStart(32, '0');
  const plain = Array.from({ length: limits.sourceRuns }, (_, i) => {
    return { sourceOffset: 1e12 + 3 * i, count: 1, incarnation };
  });
  const bytes = encodeIndexEntry(entryOf(0, runsFrom(0, plain))).length;
  expect(bytes / limits.sourceRuns).toBeLessThan(5);
  expect(bytes).toBeLessThan(limits.recordBytes / 10);
});
