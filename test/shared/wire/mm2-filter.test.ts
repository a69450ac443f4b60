import { describe, expect, test } from 'vitest';
import {
  configFilter,
  groupFilter,
  mm2Defaults,
  nameFilter,
  patternsProblem,
  splitList,
  topicFilter,
} from '#shared/wire/mm2-filter.ts';

test('lists are split at commas, and a blank one is empty', () => {
  expect(splitList(' a , b.*,c ')).toEqual(['a', 'b.*', 'c']);
  expect(splitList('a')).toEqual(['a']);
  expect(splitList('  ')).toEqual([]);
});

test('a member matches a whole name', () => {
  const takes = nameFilter(['sensor-data', 'line-[0-9]+'], []);
  expect(['sensor-data', 'line-7', 'line-12'].every(takes)).toBe(true);
  expect(['sensor-data2', 'xsensor-data', 'line-', 'line-7b', ''].some(takes)).toBe(false);
});

test('alternatives within a member are whole names too', () => {
  const takes = nameFilter(['a|ab', 'c(d|e)'], []);
  expect(['a', 'ab', 'cd', 'ce'].every(takes)).toBe(true);
  expect(['abc', 'b', 'cde'].some(takes)).toBe(false);
});

test('an empty list matches nothing', () => {
  expect(nameFilter([], [])('a')).toBe(false);
  expect(topicFilter({ include: [] })('a')).toBe(false);
});

test('exclude wins', () => {
  const takes = topicFilter({ include: ['.*'], exclude: ['production-secret'] });
  expect(takes('production-lines')).toBe(true);
  expect(takes('production-secret')).toBe(false);
});

test("topics by default: all but what MirrorMaker 2's defaults leave out", () => {
  const takes = topicFilter();
  expect(['sensor-data', 'internal', 'a.b', 'replica', '_schemas'].filter(takes)).toEqual([
    'sensor-data',
    'internal',
    'a.b',
    'replica',
    '_schemas',
  ]);
  const out = ['a-internal', 'a.internal', 'a.replica', '__consumer_offsets', '.hidden'];
  expect(out.filter(takes)).toEqual([]);
});

test('internal topics and heartbeats are left out even where the lists name them', () => {
  const takes = topicFilter({ include: ['.*'], exclude: [] });
  expect(takes('a.replica')).toBe(true);
  for (const topic of [
    '__consumer_offsets',
    'mm2-offset-syncs.b.internal',
    'b.checkpoints.internal',
    'heartbeats',
    'b.heartbeats',
    'tributary.losses',
  ]) {
    expect(takes(topic)).toBe(false);
  }
});

test('what has been at central, or here, does not go round', () => {
  const takes = topicFilter({ cutLoopsOf: ['central', 'factory-a'] });
  expect(['orders', 'factory-b.orders', 'orders.central'].every(takes)).toBe(true);
  expect(['central.orders', 'b.central.orders', 'factory-a.x', 'b.factory-a.x'].some(takes)).toBe(
    false,
  );
});

test('groups and settings of topics have defaults of their own', () => {
  const group = groupFilter();
  expect(['dashboard', '', 'grüße', 'connect'].every(group)).toBe(true);
  expect(['console-consumer-17', 'connect-sink', '__x'].some(group)).toBe(false);
  const config = configFilter();
  expect(['retention.ms', 'cleanup.policy', 'segment.bytes'].every(config)).toBe(true);
  expect(['min.insync.replicas', 'message.timestamp.type'].some(config)).toBe(false);
  expect(configFilter([])('min.insync.replicas')).toBe(true);
});

test('the defaults have no problem', () => {
  for (const list of Object.values(mm2Defaults)) expect(patternsProblem(list)).toBeUndefined();
});

describe('what Java writes and JavaScript does not', () => {
  test.each([
    ['a\\-b', 'a-b', 'a\\-b'],
    ['[\\w-.]+', 'a-.b', 'a b'],
    ['[\\w\\-\\.]+', 'a-.b', 'a b'],
    ['\\Qa.b\\E.*', 'a.bc', 'axbc'],
    ['a]b}', 'a]b}', 'ab'],
    ['\\Aab\\z', 'ab', 'aab'],
    ['\\s', ' ', '\u00a0'],
    ['\\S', '\u00a0', ' '],
    ['[\\s,]', '\t', '\u2003'],
    ['(?!secret).*', 'open', 'secret-1'],
    ['.*(?<!-dlq)', 'orders', 'orders-dlq'],
    ['(?<site>a|b)-\\d{2,}', 'a-07', 'a-7'],
    ['(?:a|b)+?', 'abab', 'abc'],
    ['😀.', '😀😀', '😀'],
    ['\\x41\\u0042', 'AB', 'ab'],
    ['[a-c-e]', '-', 'd'],
    ['', '', 'a'],
    ['a/b#c', 'a/b#c', 'a/b'],
  ])('"%s" matches "%s" and not "%s"', (pattern, yes, no) => {
    const takes = nameFilter([pattern], []);
    expect(takes(yes)).toBe(true);
    expect(takes(no)).toBe(false);
  });
});

test.each([
  ['*.sensor-data', 'any characters are ".*"'],
  ['a**', 'nothing to repeat'],
  ['sensor[', '"[" without "]"'],
  ['(a', 'unterminated group'],
  ['a)', 'unmatched'],
  ['a)(b', 'unmatched'],
  ['a{', '"\\{"'],
  ['a{1', '"\\{"'],
  ['[z-a]', 'out of order'],
  ['[a-\\d]', 'ends with a set'],
  ['a\\', 'ends too early'],
  ['[a-', 'ends too early'],
  ['a++', 'a possessive quantifier'],
  ['a{2}+', 'a possessive quantifier'],
  ['(?>a)', 'an atomic group'],
  ['(?i)orders', 'for either case write [Aa]'],
  ['(?i:orders)', 'for either case write [Aa]'],
  ['[a-z&&[^x]]', 'an intersection'],
  ['[a[b]]', 'a class within a class'],
  ['[]a]', 'begins with "]"'],
  ['\\p{Alpha}', '"\\p"'],
  ['(a)\\1', '"\\1"'],
  ['\\h', '"\\h"'],
  ['[\\S]', '"\\S"'],
  ['\\Qa', 'without "\\E"'],
])('"%s" is refused, and the reason names it', (pattern, reason) => {
  const problem = patternsProblem(['fine', pattern]);
  expect(problem).toContain(`"${pattern}"`);
  expect(problem).toContain(reason);
  expect(() => nameFilter([pattern], [])).toThrow(reason);
});
