import { describe, expect, test } from 'vitest';
import type { StreamFacts } from '#central/fleet/lag.ts';
import { lowest, overall, streamWatermark } from '#central/fleet/watermark.ts';

const at = 100_000;
const edge = (over: object = {}) => ({
  heartbeat: { at, intervalMs: 5_000, oldestAt: 60_000 },
  rest: { records: 0, bytes: 0 },
  ...over,
});
const stream = (over: Partial<StreamFacts> = {}): StreamFacts => ({
  ...{ epoch: 'e', topic: 't', partition: 0, through: 9, landedRecords: 10, lostRecords: 0 },
  ...{ head: 9, told: null, landedAcceptedAt: null },
  ...over,
});
const told = {
  cursor: 9,
  backlogRecords: 10,
  backlogBytes: 0,
  oldestAt: 70_000,
  acceptedRecords: 20,
};

describe('through when a stream is complete', () => {
  test.each([
    ['through the last heartbeat when all has landed', stream(), edge(), at],
    ['through the oldest that has not', stream({ head: 19, told }), edge(), 70_000],
    [
      'through the newest that landed since',
      stream({ head: 19, told, through: 12, landedAcceptedAt: 80_000 }),
      edge(),
      80_000,
    ],
    [
      'through the last heartbeat once it caught up',
      stream({ through: 19, head: 19, told }),
      edge(),
      at,
    ],
    ['through the site’s oldest when it was only announced', stream({ head: 19 }), edge(), 60_000],
    [
      'through the last heartbeat when it was only announced and nothing was behind then',
      stream({ head: 19 }),
      edge({ heartbeat: { at, intervalMs: 5_000, oldestAt: null } }),
      at,
    ],
    [
      'through the site’s oldest when it may belong to a backlog that was not named',
      stream({ head: null }),
      edge({ rest: { records: 5, bytes: 0 } }),
      60_000,
    ],
    [
      'through the last heartbeat when there is no such backlog',
      stream({ head: null }),
      edge(),
      at,
    ],
    ['not known before the first heartbeat', stream(), edge({ heartbeat: null }), null],
  ])('%s', (_, what, where, expected) => {
    expect(streamWatermark(what, where)).toBe(expected);
  });
});

describe('through when a merged topic is complete', () => {
  test('the lowest decides, and one that is not known decides first', () => {
    expect(lowest([5, 3, 9])).toBe(3);
    expect(lowest([5, null, 3])).toBeNull();
    expect(lowest([])).toBeNull();
  });

  test('the sites that hold it back are named', () => {
    const site = (alias: string, watermark: number | null) => ({ alias, watermark });
    expect(overall([site('a', 5), site('b', 3), site('c', 3)])).toEqual({
      watermark: 3,
      heldBackBy: ['b', 'c'],
    });
    expect(overall([site('a', 5), site('b', null)])).toEqual({
      watermark: null,
      heldBackBy: ['b'],
    });
    expect(overall([])).toEqual({ watermark: null, heldBackBy: [] });
  });
});
