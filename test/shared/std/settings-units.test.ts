import { expect, test } from 'vitest';
import { parseDuration, parseRate, parseSize, showSize } from '#shared/std/settings-units.ts';

test.each([
  ['10GiB', 10 * 2 ** 30],
  ['512MiB', 512 * 2 ** 20],
  ['100kB', 100_000],
  ['100KB', 100_000],
  ['1.5 MB', 1_500_000],
  ['0B', 0],
  ['8TiB', 8 * 2 ** 40],
])('%s is a size', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test.each(['', '10', 'GiB', '10 cows', '-1B', '1e3B', '10GiB ', '99999999TiB', '1.2.3MB', '1,5MB'])(
  '"%s" is no size',
  (text) => {
    expect(parseSize(text)).toBeUndefined();
  },
);

test.each([
  ['7d', 7 * 86_400_000],
  ['5s', 5_000],
  ['250ms', 250],
  ['1h30m', 5_400_000],
  ['1.5s', 1_500],
  ['2 min', 120_000],
])('%s is a duration', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each(['', '5', 's', '5 seconds ago', '1M', '-5s', '5s5', 'x5s'])('"%s" is none', (text) => {
  expect(parseDuration(text)).toBeUndefined();
});

test('rates count bytes, or bits where they say so', () => {
  expect(parseRate('500kB/s')).toBe(500_000);
  expect(parseRate('2MiB/s')).toBe(2 * 2 ** 20);
  expect(parseRate('16Mbit/s')).toBe(2_000_000);
  expect(parseRate('8 kbit / s')).toBe(1_000);
  for (const bad of ['500kB', '/s', '5/s', '5kB/min', 'bit/s']) {
    expect(parseRate(bad), bad).toBeUndefined();
  }
});

test('a size is shown in the largest unit that keeps it exact', () => {
  expect(showSize(10 * 2 ** 30)).toBe('10GiB');
  expect(showSize(1536)).toBe('1536B');
  expect(showSize(0)).toBe('0B');
});
