import { expect, test } from 'vitest';
import { budgetOf, checkOptions, maxBytesMin, policyOf } from '#edge/buffer/options.ts';
import { optionsFor } from './buffer-harness.ts';

const refused = (changes: Parameters<typeof optionsFor>[1]) => {
  try {
    checkOptions(optionsFor('/tmp/b.db', changes));
  } catch (error) {
    return (error as Error).message;
  }
  return undefined;
};

test('a bad option is refused by name, with its value', () => {
  expect(refused({})).toBeUndefined();
  expect(refused({ path: '' })).toContain('path = ""');
  expect(refused({ alias: 'a.b' })).toContain('alias = "a.b"');
  expect(refused({ maxBytes: 1024 })).toContain(`max_bytes = 1024 must be at least ${maxBytesMin}`);
  expect(refused({ maxBytes: Number.NaN })).toContain('max_bytes');
  expect(refused({ whenFull: 'panic' as never })).toContain('when_full = "panic"');
  expect(refused({ compression: 'lz4' as never })).toContain('compression = "lz4"');
  const topic = (name: string, options: object) =>
    refused({ topics: new Map([[name, { partitions: 1, ...options }]]) });
  expect(topic('no good', {})).toContain('topic = "no good"');
  expect(topic('t', { partitions: 0 })).toContain('topics.t.partitions = 0');
  expect(topic('t', { maxBytes: 1e12 })).toContain('topics.t.max_bytes = 1000000000000');
  expect(topic('t', { whenFull: 'x' })).toContain('topics.t.when_full = "x"');
});

test('all shares together are the cap', () => {
  for (const maxBytes of [maxBytesMin, 1e9, 1e13]) {
    const { records, ledger, wal, reserve } = budgetOf(maxBytes);
    expect(records + ledger + wal + reserve).toBe(maxBytes);
    expect(records).toBeGreaterThan(maxBytes / 2);
  }
});

test('a topic has its own policy, or that of the others', () => {
  const options = optionsFor('x', {
    topics: new Map([
      ['*', { partitions: 3, maxBytes: 5 }],
      ['t', { partitions: 1, whenFull: 'block' }],
    ]),
  });
  expect(policyOf(options, 'u')).toEqual({ partitions: 3, maxBytes: 5, drops: true });
  expect(policyOf(options, 't')).toMatchObject({ partitions: 1, drops: false });
  expect(policyOf(options, 't').maxBytes).toBe(Number.POSITIVE_INFINITY);
});
