import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PartitionIndex } from '#central/mirror/partition-index.ts';
import {
  type LandedSegment,
  runsAround,
  type SourcePosition,
  translate,
} from '#central/mirror/translate.ts';
import { runs, seed } from '../../shared/wire/arbitrary.ts';
import { buildWorld, worldPlan } from './source-world.ts';

const limits = { tailRuns: 2, chunks: 3 };

/** The index with the landing's own behind it, which it may read. */
function translateWith(
  index: PartitionIndex,
  landed: readonly LandedSegment[],
  position: SourcePosition,
) {
  const around = index.around(position);
  if ('segments' in around) return translate(around, position);
  const read = landed.slice(around.from, around.to + 1);
  // As it is read: of each segment only the runs that the position needs.
  const needed = read.map((one) => ({ ...one, runs: runsAround(one.runs, position) }));
  return translate(around.with(needed), position);
}

test(`whatever was folded into chunks translates as if all were in memory (seed ${seed})`, () => {
  let read = 0;
  fc.assert(
    fc.property(worldPlan, (plan) => {
      const { segments, incarnations, records } = buildWorld({ ...plan, flowFrom: 0 });
      const index = new PartitionIndex({ complete: true, limits });
      for (const [at, segment] of segments.entries()) index.add(segment, at);
      expect(index.size.chunks).toBeLessThanOrEqual(limits.chunks);
      for (const incarnation of incarnations) {
        for (let offset = 0; offset < records.length + 10; offset++) {
          const position = { offset, incarnation };
          if ('from' in index.around(position)) read += 1;
          expect(translateWith(index, segments, position)).toEqual(
            translate({ segments, first: segments[0] }, position),
          );
        }
      }
    }),
    runs(500),
  );
  expect(read).toBeGreaterThan(100);
});

const incarnation = '1'.padStart(32, '0');
const segmentAt = (number: number, records: number): LandedSegment => ({
  first: number * records,
  count: records,
  remote: { topic: 'a.t', offset: number * (records + 1) },
  merged: [],
  runs: [
    { sequence: number * records, sourceOffset: number * records, count: records, incarnation },
  ],
});

test('a hundred million records take no more memory than a few thousand', () => {
  const index = new PartitionIndex({ complete: true });
  for (let number = 0; number < 100_000; number++) index.add(segmentAt(number, 1_000), number);
  expect(index.size.runs).toBeLessThanOrEqual(512);
  expect(index.size.chunks).toBeLessThanOrEqual(64);
  const position = { offset: 12_345_678, incarnation };
  const around = index.around(position);
  if (!('from' in around)) throw new Error('nothing to read');
  expect(around.to - around.from).toBeLessThan(100_000 / 16);
  const chunk: LandedSegment[] = [];
  for (let at = around.from; at <= around.to; at++) chunk.push(segmentAt(at, 1_000));
  expect(translate(around.with(chunk), position)?.remote).toEqual({
    topic: 'a.t',
    offset: 12_345_678 + 12_345,
    exactness: 'exact',
  });
});

test('what is told twice is taken once', () => {
  const index = new PartitionIndex({ complete: true });
  for (const at of [0, 1, 1, 0, 2]) index.add(segmentAt(at, 10), at);
  expect(index.size.runs).toBe(3);
});

test('an index that does not begin at the start says so', () => {
  const index = new PartitionIndex({ complete: false });
  index.add(segmentAt(5, 10), 77);
  expect(translateWith(index, [], { offset: 3, incarnation })?.remote.exactness).toBe('before');
});
