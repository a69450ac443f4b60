import { expect, test } from 'vitest';
import { EndMarks } from '#central/landing/end-marks.ts';
import { Random } from '../../sim/random.ts';

test('is complete through the newest time whose end is reached, and never beyond it', () => {
  const marks = new EndMarks();
  expect(marks.completeAt(10)).toBeNull();
  marks.seen(10, 1_000);
  marks.seen(30, 2_000);
  expect(marks.completeAt(9)).toBeNull();
  expect(marks.completeAt(10)).toBe(1_000);
  expect(marks.completeAt(29)).toBe(1_000);
  expect(marks.completeAt(30)).toBe(2_000);
  marks.seen(30, 3_000);
  expect(marks.completeAt(30)).toBe(3_000);
});

test('whoever stays behind for long is never called further than he is', () => {
  const seed = 7;
  const random = new Random(seed);
  const marks = new EndMarks();
  const ends: { end: number; at: number }[] = [];
  let end = 0;
  let next = 0;
  let last: number | null = null;
  for (let at = 0; at < 5_000; at++) {
    end += random.between(0, 10);
    marks.seen(end, at);
    ends.push({ end, at });
    if (random.chance(0.02)) next = Math.min(end, next + random.between(0, 300));
    const through = marks.completeAt(next);
    const truth = ends.findLast((seen) => seen.end <= next)?.at ?? null;
    if (through !== null) expect([seed, through]).toEqual([seed, Math.min(through, truth ?? -1)]);
    expect(through ?? -1).toBeGreaterThanOrEqual(last ?? -1);
    last = through;
  }
  expect(marks.completeAt(end)).toBe(ends.at(-1)!.at);
});
