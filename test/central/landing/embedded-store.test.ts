import type { Database } from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { StepName } from '#central/landing/embedded-apply.ts';
import { openMemoryDatabase } from '#central/landing/embedded-open.ts';
import { prepareSchema } from '#central/landing/embedded-schema.ts';
import { EmbeddedStore, type Outcome } from '#central/landing/embedded-store.ts';
import { LandingError } from '#central/landing/landing.ts';
import { Site } from '../../contract/landing-site.ts';
import { mebibyte } from './embedded-harness.ts';

let database: Database;
const openStore = (
  options: { maxBytes?: number; retentionMs?: number; step?: (step: StepName) => void } = {},
) => {
  prepareSchema(database, () => 'c'.repeat(32));
  return new EmbeddedStore(database, { maxBytes: 64 * mebibyte, retentionMs: 1000, ...options });
};
const count = (table: string): number =>
  database.prepare(`SELECT count(*) FROM ${table}`).pluck().get() as number;
const codes = (outcomes: Outcome[]) =>
  outcomes.map((outcome) => ('error' in outcome ? outcome.error.code : 'landed'));

beforeEach(() => {
  database = openMemoryDatabase();
});
afterEach(() => database.close());

test('a sealed batch is stored once, however many topics it goes to', () => {
  const store = openStore();
  const site = new Site('a');
  const segment = site.segment(5, { mergedTopics: ['readings', 'all', 'plant'] });
  store.commitGroup([[site.hello(1), site.write(1, { segments: [segment] })]]);
  expect([count('batches'), count('log')]).toEqual([1, 4]);
  const stored = database.prepare('SELECT batch FROM batches').pluck().get();
  expect(Buffer.from(segment.batch).equals(stored as Buffer)).toBe(true);
});

test('source runs are kept with the batch', () => {
  const store = openStore();
  const site = new Site('a');
  const runs = [{ sequence: 0, sourceOffset: 70, count: 5, incarnation: '0'.repeat(32) }];
  store.commitGroup([[site.hello(1), site.write(1, { segments: [site.segment(5, { runs })] })]]);
  const kept = database.prepare('SELECT first_sequence, source_runs FROM batches').get();
  expect(kept).toEqual({ first_sequence: 0, source_runs: JSON.stringify(runs) });
});

describe('a group', () => {
  test('is one transaction', () => {
    const steps: string[] = [];
    const store = openStore({ step: (step) => steps.push(step) });
    const sites = ['a', 'b', 'c'].map((alias) => new Site(alias));
    const outcomes = store.commitGroup(sites.map((site) => [site.hello(1)]));
    expect(codes(outcomes)).toEqual(['landed', 'landed', 'landed']);
    expect(steps.filter((step) => step === 'commit')).toHaveLength(1);
  });

  test('with a bad commit lands the others, each answered on its own', () => {
    const store = openStore();
    const sites = ['a', 'b', 'c', 'd'].map((alias) => new Site(alias));
    store.commitGroup([sites.map((site) => site.hello(1))]);
    const [a, b, c, d] = sites as [Site, Site, Site, Site];
    const outcomes = store.commitGroup([
      [a.write(1, { segments: [a.segment(2)] })],
      [b.write(1, { segments: [b.segment(2, { first: 9 })] })],
      [{ ...c.write(1, { segments: [c.segment(2)] }), underSession: 'older' }],
      [a.write(1, { segments: [a.segment(2)] }), d.write(1, { segments: [d.segment(1)] })],
    ]);
    expect(codes(outcomes)).toEqual(['landed', 'refused', 'fenced', 'landed']);
    expect(outcomes[0]).toMatchObject({ landed: [{ checkpoints: [{ through: 1 }] }] });
    expect(outcomes[3]).toMatchObject({ landed: [{ checkpoints: [{ through: 3 }] }, {}] });
    expect(store.topics().find(({ topic }) => topic === 'readings')?.records).toBe(5);
  });

  test('that may be on disk is not tried again', () => {
    const store = openStore({
      step: (step) => {
        if (step === 'committed' && store.load('a')?.checkpoints.length) throw new Error('died');
      },
    });
    const [a, b] = [new Site('a'), new Site('b')];
    store.commitGroup([[a.hello(1), b.hello(1)]]);
    const outcomes = store.commitGroup([
      [a.write(1, { segments: [a.segment(2)] })],
      [b.write(1, { segments: [b.segment(2)] })],
    ]);
    expect(codes(outcomes)).toEqual(['uncertain', 'uncertain']);
    expect(store.topics().find(({ topic }) => topic === 'readings')?.records).toBe(4);
  });
});

describe('retention', () => {
  const land = (store: EmbeddedStore, site: Site, times: number, at: number, bytes = 0) => {
    for (let i = 0; i < times; i++) {
      const segments = [site.segment(2, { valueBytes: bytes / 2 })];
      const [outcome] = store.commitGroup([[site.write(at, { segments })]]);
      if (outcome && 'error' in outcome) throw outcome.error;
    }
  };
  const settle = (store: EmbeddedStore, now: number): number => {
    let steps = 0;
    while (store.retain(now)) steps += 1;
    return steps;
  };

  test('drops the oldest when the cap is reached, and commits go on', () => {
    const store = openStore({ maxBytes: 8 * mebibyte });
    const site = new Site('a');
    store.commitGroup([[site.hello(1)]]);
    land(store, site, 80, 1, mebibyte / 4);
    expect(store.usedBytes()).toBeLessThanOrEqual(8 * mebibyte);
    const row = store.topics().find(({ topic }) => topic === 'readings')!;
    expect(row.partitions[0]!.endOffset).toBe(160);
    expect(row.records).toBeGreaterThan(30);
    expect(store.load('a')?.checkpoints).toMatchObject([{ through: 159, landedRecords: 160 }]);
    expect(store.page('readings', 0, 0, 1)?.batches[0]?.baseOffset).toBe(160 - row.records);
    // A lower cap in the settings: what is over it goes in the background, and the file with it.
    const smaller = openStore({ maxBytes: 4 * mebibyte });
    settle(smaller, 1);
    expect(smaller.usedBytes()).toBeLessThanOrEqual(4 * mebibyte);
    expect(smaller.topics().find(({ topic }) => topic === 'readings')?.records).toBeGreaterThan(20);
  });

  test('keeps a batch as long as one log names it', () => {
    const store = openStore();
    const site = new Site('a');
    store.commitGroup([[site.hello(1)]]);
    const old = site.segment(3, { mergedTopics: [] });
    store.commitGroup([[site.write(1, { segments: [old] })]]);
    store.backfill('late', 'a.readings', null, 900);
    settle(store, 1500);
    expect(store.page('a.readings', 0, 0, 1)).toEqual({ start: 3, end: 3, batches: [] });
    expect(store.page('late', 0, 0, 1)?.batches).toHaveLength(1);
    settle(store, 2500);
    expect([count('batches'), count('log')]).toEqual([0, 0]);
  });

  test('works in bounded steps, and the file shrinks', () => {
    const store = openStore();
    const site = new Site('a');
    store.commitGroup([[site.hello(1)]]);
    land(store, site, 50, 1, mebibyte / 2);
    for (let i = 0; i < 20; i++) {
      const segments = Array.from({ length: 50 }, () => site.segment(1));
      store.commitGroup([[site.write(1, { segments })]]);
    }
    const full = store.usedBytes();
    expect(full).toBeGreaterThan(25 * mebibyte);
    store.retain(5000);
    expect(count('batches')).toBeGreaterThan(1000);
    expect(settle(store, 5000)).toBeGreaterThan(10);
    expect(count('batches')).toBe(0);
    expect(store.usedBytes()).toBeLessThan(6 * mebibyte);
    expect(database.pragma('integrity_check', { simple: true })).toBe('ok');
  });

  test('a clock that was far ahead does not hold the log for ever, nor drop it at once', () => {
    const store = openStore({ retentionMs: 7_200_000 });
    const site = new Site('a');
    store.commitGroup([[site.hello(1)]]);
    const year = 31_536_000_000;
    land(store, site, 3, year);
    land(store, site, 2, 5);
    settle(store, 10);
    expect(count('batches')).toBe(5);
    settle(store, 7_200_000 + 20);
    expect(count('batches')).toBe(0);
  });
});

describe('a full disk', () => {
  test('refuses with "full", keeps all it had, and takes commits again when there is room', () => {
    const store = openStore({ maxBytes: 2 * mebibyte });
    const [site, large] = [new Site('a'), new Site('b')];
    store.commitGroup([[site.hello(1), large.hello(1)]]);
    store.commitGroup([[site.write(1, { segments: [site.segment(5)] })]]);
    const segments = Array.from({ length: 4 }, () => large.segment(1, { valueBytes: 800_000 }));
    const before = store.load('a');
    const outcomes = store.commitGroup([
      [large.write(1, { segments })],
      [site.write(1, { segments: [site.segment(1)] })],
    ]);
    expect(codes(outcomes)).toEqual(['full', 'landed']);
    expect((outcomes[0] as { error: LandingError }).error).toBeInstanceOf(LandingError);
    expect(before?.checkpoints[0]?.through).toBe(4);
    expect(store.load('a')?.checkpoints[0]?.through).toBe(5);
    expect(
      codes(store.commitGroup([[large.write(1, { segments: segments.slice(0, 1) })]])),
    ).toEqual(['landed']);
  });
});
