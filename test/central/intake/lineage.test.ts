import { describe, expect, test } from 'vitest';
import {
  addRun,
  type EpochLine,
  formatLineage,
  lineOf,
  parseLineage,
  pathTo,
  startOf,
} from '#central/intake/lineage.ts';

const empty = (epoch: string): EpochLine => ({ epoch, root: null, owner: '', runs: [] });
const starts = (start: number, streams = 1): Map<string, number> =>
  new Map(Array.from({ length: streams }, (_, i) => [`topic-${i}/0`, start]));

describe('the lineage as it is stored', () => {
  test('is the same after it was read back', () => {
    const line = empty('e');
    addRun(line, 'a', null, new Map([['t/0', -1]]));
    addRun(line, 'b', 'a', new Map([['t/0', 5]]));
    addRun(
      line,
      'c',
      'b',
      new Map([
        ['t/0', 5],
        ['u/3', 7],
      ]),
    );
    line.owner = 'c';
    line.runs[0]!.used = true;
    const lineage = { epochs: [line] };
    expect(parseLineage(formatLineage(lineage))).toEqual(lineage);
    expect(parseLineage('')).toEqual({ epochs: [] });
  });

  test('remembers a start once, where it changed', () => {
    const line = empty('e');
    addRun(line, 'a', null, starts(-1));
    addRun(line, 'b', 'a', starts(5));
    addRun(line, 'c', 'b', starts(5));
    expect(line.runs.map((run) => run.starts.size)).toEqual([0, 1, 0]);
    expect(startOf(pathTo(line, 'c'), 'topic-0/0')).toBe(5);
    expect(startOf(pathTo(line, 'a'), 'topic-0/0')).toBe(-1);
  });

  test('never exceeds 1 MiB, and keeps the owner and where it begins if there is room', () => {
    const line = empty('e');
    for (let i = 0; i < 600; i++) addRun(line, `s${i}`, i ? `s${i - 1}` : null, starts(i * 10, 90));
    line.owner = 's599';
    const text = formatLineage({ epochs: [line] });
    expect(text.length).toBeLessThan(1024 * 1024);
    const back = lineOf(parseLineage(text), 'e')!;
    expect(back.owner).toBe('s599');
    expect(back.runs.length).toBeGreaterThan(100);
    expect(back.root).toBe(`s${600 - back.runs.length - 1}`);
    expect(startOf(pathTo(back, back.runs[0]!.session), 'topic-89/0')).toBe(
      (600 - back.runs.length) * 10,
    );
  });

  test('fits even with 10 000 streams of the longest names', () => {
    const line = empty('e');
    const names = Array.from({ length: 10_000 }, (_, i) => `${i}-${'x'.repeat(240)}/0`);
    addRun(line, 'a', null, new Map(names.map((name) => [name, 1])));
    line.owner = 'a';
    const text = formatLineage({ epochs: [line] });
    expect(text.length).toBeLessThan(1024 * 1024);
    expect(lineOf(parseLineage(text), 'e')?.owner).toBe('a');
  });

  test('forgets side branches with the run they came from, never the owner', () => {
    const line = empty('e');
    addRun(line, 'a', null, starts(1));
    addRun(line, 'side', null, starts(2));
    addRun(line, 'far', 'side', starts(3));
    addRun(line, 'b', 'a', starts(4));
    line.owner = 'b';
    const bounds = { epochs: 1, runs: 2, starts: 100, textBytes: 10_000 };
    const back = lineOf(parseLineage(formatLineage({ epochs: [line] }, bounds)), 'e')!;
    expect(back).toMatchObject({ root: 'a', owner: 'b', runs: [{ session: 'b', parent: null }] });
  });

  test('of a newer version is an error, not a guess', () => {
    expect(() => parseLineage('{"version":2}')).toThrow(/version 2/);
    expect(() => parseLineage('{')).toThrow();
  });
});
