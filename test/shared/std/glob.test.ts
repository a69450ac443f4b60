import { expect, test } from 'vitest';
import { globMatcher } from '#shared/std/glob.ts';

test.each([
  ['*', 'anything.at-all', true],
  ['*.sensor-data', 'factory-a.sensor-data', true],
  ['*.sensor-data', 'factory-a.sensor-data.x', false],
  ['sensor-?', 'sensor-1', true],
  ['sensor-?', 'sensor-12', false],
  ['a.b', 'axb', false],
  ['a+(b)[c]', 'a+(b)[c]', true],
  ['**', '', true],
])('%s and %s', (pattern, name, expected) => {
  expect(globMatcher([pattern])(name)).toBe(expected);
  expect(globMatcher(['nothing', pattern])(name)).toBe(expected);
});

test('no pattern matches nothing', () => {
  expect(globMatcher([])('a')).toBe(false);
});

test('a pattern of many stars costs no more than a moment', () => {
  expect(globMatcher(['*a*a*a*a*a*b'])('a'.repeat(249))).toBe(false);
});
