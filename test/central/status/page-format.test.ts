import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { edgeStates, eventTypes } from '#central/status/words.ts';
import { edgeView, epochMs, unseenView } from './fakes.ts';

/** The page's words. Its files are plain JavaScript: the browser runs them as they are. */

const file = (name: string) => new URL(`../../../central/status/page/${name}`, import.meta.url);
const { at, bytes, duration, lagWords, rate, stateWords } = await import(file('format.js').href);

const said = (lag: object, stale = false) => {
  const edge = edgeView('factory-a');
  const json = { ...edge, lag: { ...edge.lag, asOf: new Date(epochMs).toISOString(), ...lag } };
  return lagWords(json, epochMs + 60_000, stale);
};
const asOf = `as of ${at(epochMs, epochMs)}`;

test('a duration is rounded down, so that "at least" stays true', () => {
  const words: [seconds: number, words: string][] = [
    [0, '0 s'],
    [0.49, '0.4 s'],
    [1.99, '1 s'],
    [119.9, '119 s'],
    [120, '2 min'],
    [299, '4 min'],
    [7_199, '119 min'],
    [7_200, '2 h'],
    [18_779, '5 h 12 min'],
    [172_800, '2 d'],
    [273_600, '3 d 4 h'],
  ];
  for (const [seconds, expected] of words) expect(duration(seconds)).toBe(expected);
});

test('lag is said with what it rests on whenever it may be worse', () => {
  expect(said({ seconds: 12.9 })).toEqual({ words: '12 s', detail: '' });
  expect(said({ seconds: 0, records: 0 })).toEqual({ words: 'up to date', detail: '' });
  expect(said({ seconds: 250, atLeast: true })).toEqual({ words: 'at least 4 min', detail: asOf });
  expect(said({ seconds: 30, records: 0, atLeast: true })).toEqual({
    words: 'at least 30 s',
    detail: asOf,
  });
});

test('what is not known is called unknown, never 0', () => {
  expect(said({ seconds: null })).toEqual({ words: 'unknown', detail: asOf });
  expect(lagWords(unseenView('factory-b'), epochMs, false)).toEqual({
    words: 'unknown',
    detail: 'never heard from',
  });
  expect(bytes(null)).toBe('unknown');
});

test('of a central that does not answer, lag is told in the past', () => {
  expect(said({ seconds: 12 }, true)).toEqual({ words: 'was 12 s', detail: asOf });
  expect(said({ seconds: 0, records: 0 }, true)).toEqual({
    words: 'was up to date',
    detail: asOf,
  });
  expect(said({ seconds: 250, atLeast: true }, true).words).toBe('was at least 4 min');
});

test('sizes and rates are short', () => {
  expect([0, 999, 1_024, 3_400, 3 * 2 ** 20, 10 * 2 ** 30].map(bytes)).toEqual([
    '0 B',
    '999 B',
    '1.0 KiB',
    '3.3 KiB',
    '3.0 MiB',
    '10 GiB',
  ]);
  expect([0, 0.01, 0.44, 12.6, 3_640].map(rate)).toEqual(['0', 'under 0.1', '0.4', '13', '3,640']);
});

test('the page knows every state and every event', () => {
  expect(Object.keys(stateWords)).toEqual(edgeStates);
  const feed = readFileSync(file('feed.js'), 'utf8');
  const icons = readFileSync(file('icons.js'), 'utf8');
  for (const type of eventTypes) expect(feed).toMatch(new RegExp(`\\b${type}'`));
  for (const state of edgeStates) expect(icons).toMatch(new RegExp(`${state}'?: \\(\\) =>`));
});

test('no file of the page turns data into markup', () => {
  const forbidden = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/;
  const names = ['app', 'dom', 'feed', 'flows', 'happenings', 'records', 'site-details', 'sites'];
  for (const name of [...names, 'tiles', 'topics', 'icons', 'lag-history']) {
    expect(readFileSync(file(`${name}.js`), 'utf8')).not.toMatch(forbidden);
  }
  expect(readFileSync(file('index.html'), 'utf8')).not.toMatch(/<style|\sstyle=|\son[a-z]+=/);
});
