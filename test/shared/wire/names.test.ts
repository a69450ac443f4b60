import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aliasProblem } from '#shared/wire/alias.ts';
import { limits } from '#shared/wire/limits.ts';
import { recordProblem, type WireRecord } from '#shared/wire/record.ts';
import {
  isInternalTopic,
  remoteTopic,
  splitRemoteTopic,
  topicProblem,
} from '#shared/wire/topic-name.ts';
import { provenance, runs, seed } from './arbitrary.ts';

test.each(['a', 'factory-a', 'Store_12', '7', 'a'.repeat(63)])('"%s" is an alias', (alias) => {
  expect(aliasProblem(alias)).toBeUndefined();
});

test.each([
  ['', 'must be a name'],
  [undefined, 'must be a name'],
  [7, 'must be a name'],
  ['a.b', 'must not contain "."'],
  ['-a', 'starts with a letter or digit'],
  ['a b', 'letters, digits'],
  ['ä', 'letters, digits'],
  ['a'.repeat(64), 'longer than 63'],
  ['tributary', 'reserved'],
  ['heartbeats', 'reserved'],
  ['mm2-offset-syncs', 'reserved'],
])('"%s" is no alias, and the reason says why', (alias, reason) => {
  expect(aliasProblem(alias)).toContain(reason);
});

test.each([
  ['', 'must be a topic name'],
  [null, 'must be a topic name'],
  ['.', 'must not be "."'],
  ['..', 'must not be "."'],
  ['a/b', 'letters, digits'],
  ['a\n', 'letters, digits'],
  ['a'.repeat(250), 'longer than the 249'],
])('"%s" is no topic, and the reason says why', (topic, reason) => {
  expect(topicProblem(topic)).toContain(reason);
});

test('a topic leaves room for the prefix to come', () => {
  expect(topicProblem('a'.repeat(249))).toBeUndefined();
  expect(topicProblem('a'.repeat(240), 10)).toContain('longer than the 239');
});

test(`a remote topic splits into what it was made of (seed ${seed})`, () => {
  fc.assert(
    fc.property(provenance, ({ alias, topic }) => {
      expect(splitRemoteTopic(remoteTopic(alias, topic))).toEqual({ alias, topic });
    }),
    runs(200),
  );
  for (const name of ['plain', '.topic', 'alias.']) expect(splitRemoteTopic(name)).toBeUndefined();
});

test('our own topics are known', () => {
  for (const name of ['tributary.losses', 'heartbeats', 'a.heartbeats', 'a.checkpoints.internal']) {
    expect(isInternalTopic(name)).toBe(true);
  }
  expect(isInternalTopic('factory-a.sensor-data')).toBe(false);
});

describe('a record that cannot be kept', () => {
  const fine: WireRecord = { key: null, value: Buffer.alloc(1), headers: [], timestamp: 0 };
  test.each([
    ['too-large', 'the limit is', { value: Buffer.alloc(limits.recordBytes + 1) }],
    ['too-large', 'the limit is', { headers: [['x'.repeat(limits.recordBytes), null]] }],
    ['bad-record', '1001 headers', { headers: new Array(1001).fill(['a', null]) }],
    ['bad-record', 'reserved', { headers: [['tributary.alias', null]] }],
    ['bad-record', 'timestamp 1.5', { timestamp: 1.5 }],
    ['bad-record', 'timestamp NaN', { timestamp: Number.NaN }],
    ['bad-record', 'timestamp -2', { timestamp: -2 }],
    ['bad-record', 'timestamp 8640000000000001', { timestamp: 8_640_000_000_000_001 }],
  ] as [string, string, Partial<WireRecord>][])('%s: %s', (code, words, change) => {
    const problem = recordProblem({ ...fine, ...change });
    expect(problem?.code).toBe(code);
    expect(problem?.message).toContain(words);
  });

  test('all others can', () => {
    const most = new Array(1000).fill(['Tributary.x', null]);
    expect(recordProblem({ ...fine, headers: most, timestamp: -1 })).toBeUndefined();
  });
});
