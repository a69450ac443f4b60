import { expect, test } from 'vitest';
import { printable, showBytes, showCount, showSeconds, textTable } from '#shared/std/text-table.ts';

test('columns are as wide as their widest cell, numbers to the right', () => {
  const table = textTable(
    [{ name: 'SITE' }, { name: 'LAG', right: true }, { name: '' }],
    [
      ['factory-a', '1', ''],
      ['b', '1 234', 'x'],
    ],
  );
  expect(table).toBe('SITE         LAG\nfactory-a      1\nb          1 234  x');
});

test('what others wrote cannot move the cursor', () => {
  expect(printable('a\x1b[2Jb\rc\nd\u009b0m')).toBe('ab?c?d');
  expect(textTable([{ name: 'A' }], [['\x1b[31mred']])).toBe('A\nred');
});

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1536, '1.5 KiB'],
  [10 * 2 ** 30, '10.0 GiB'],
  [500 * 2 ** 20, '500 MiB'],
  [5 * 2 ** 50, '5120 TiB'],
  [null, '?'],
])('%s bytes', (bytes, text) => {
  expect(showBytes(bytes)).toBe(text);
});

test.each([
  [0, '0s'],
  [0.24, '0.2s'],
  [9.96, '10s'],
  [59.6, '1m'],
  [75, '1m 15s'],
  [3600, '1h'],
  [90_061, '1d 1h'],
  [null, '?'],
])('%s seconds', (seconds, text) => {
  expect(showSeconds(seconds)).toBe(text);
});

test('counts are grouped', () => {
  expect(showCount(1234567)).toBe('1 234 567');
  expect(showCount(999)).toBe('999');
  expect(showCount(1234.56)).toBe('1 234.6');
  expect(showCount(-1)).toBe('-1');
  expect(showCount(null)).toBe('?');
});
