import { expect, test } from 'vitest';
import { inTarget, planMerge } from '#edge/buffer/merge.ts';
import { targetBytes } from '#edge/buffer/segment.ts';
import { limits } from '#shared/wire/limits.ts';

/** Segments one behind the other. */
const row = (sizes: number[], start = 0) => {
  let pos = start;
  return sizes.map((size) => {
    const segment = { pos, count: 10, size };
    pos += 10;
    return segment;
  });
};
const times = (n: number, size: number) => Array.from({ length: n }, () => size);

test('sixteen small neighbours become one, fifteen wait', () => {
  expect(planMerge(row(times(15, 300)))).toEqual([]);
  const tail = row(times(16, 300));
  expect(planMerge(tail)).toEqual([tail]);
});

test('what is merged already is left alone until there are sixteen of its kind', () => {
  const tail = row([...times(14, 5_000), ...times(16, 300)]);
  expect(planMerge(tail)).toEqual([tail.slice(14)]);
  const sixteenth = row([...times(15, 5_000), ...times(16, 300)]);
  expect(planMerge(sixteenth)).toEqual([sixteenth]);
  const full = row([...times(15, 5_000), 5_000, ...times(3, 300)]);
  expect(planMerge(full)).toEqual([full]);
});

test('nothing is merged over a loss', () => {
  const before = row(times(10, 300));
  const after = row(times(10, 300), 101);
  expect(planMerge([...before, ...after])).toEqual([]);
});

test('no merged segment is over the target, and large ones are never touched', () => {
  const tail = row([400_000, ...times(16, 60_000)]);
  const groups = planMerge(tail);
  expect(groups.flat()).not.toContain(tail[0]);
  for (const group of groups) {
    expect(group.reduce((sum, { size }) => sum + size, 0)).toBeLessThanOrEqual(targetBytes);
  }
});

test('a record is sealed again a few times, however long the outage', () => {
  let tail: { pos: number; count: number; size: number }[] = [];
  let sealed = 0;
  const records = 20_000;
  for (let pos = 0; pos < records; pos++) {
    tail.push({ pos, count: 1, size: 300 });
    if (pos % 16 !== 15) continue;
    for (const group of planMerge(tail.slice(-64))) {
      const merged = {
        pos: group[0]!.pos,
        count: group.reduce((sum, { count }) => sum + count, 0),
        size: group.reduce((sum, { size }) => sum + size, 0),
      };
      sealed += merged.count;
      const start = tail.indexOf(group[0]!);
      tail = [...tail.slice(0, start), merged, ...tail.slice(start + group.length)];
    }
  }
  expect(sealed / records).toBeLessThan(4);
  expect(tail.length).toBeLessThan(80);
});

test('a row of sizes is cut at the target and at the number of records', () => {
  expect(inTarget([])).toEqual([]);
  const large = times(3, targetBytes - 100).map((size) => ({ size }));
  expect(inTarget(large).map((group) => group.length)).toEqual([1, 1, 1]);
  const tiny = times(limits.segmentRecords + 1, 1).map((size) => ({ size }));
  expect(inTarget(tiny).map((group) => group.length)).toEqual([limits.segmentRecords, 1]);
});
