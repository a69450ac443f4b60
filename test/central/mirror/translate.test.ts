import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type LandedSegment, type Place, type Turn, translate } from '#central/mirror/translate.ts';
import { runs, seed } from '../../shared/wire/arbitrary.ts';
import {
  buildWorld,
  mergedName,
  type PlainRecord,
  remoteName,
  type SourceWorld,
  type WorldPlan,
  worldPlan,
} from './source-world.ts';

const life = '1'.padStart(32, '0');

/** One segment of one run, landed in the remote topic and, with `merged`, in the merged one. */
const segment = (
  first: number,
  source: number,
  count: number,
  remote: number,
  merged?: number,
): LandedSegment => ({
  first,
  count,
  remote: { topic: remoteName, offset: remote },
  merged: merged === undefined ? [] : [{ topic: mergedName, offset: merged }],
  runs: [{ sequence: first, sourceOffset: source, count, incarnation: life }],
});

const at = (segments: LandedSegment[], offset: number, more: object = {}) =>
  translate({ segments, first: segments[0], ...more }, { offset, incarnation: life });

const remoteOf = (segments: LandedSegment[], offset: number, more: object = {}) => {
  const { offset: place, exactness } = at(segments, offset, more)!.remote;
  return [place, exactness];
};

test('nothing landed, nothing translated', () => {
  expect(at([], 0)).toBeUndefined();
});

describe('two segments, a hole in the source between them and another transaction at central', () => {
  // Source 0 to 4 and 7 to 9; remote 0 to 4 and 6 to 8; merged 10 to 14 and 40 to 42.
  const landed = [segment(0, 0, 5, 0, 10), segment(5, 7, 3, 6, 40)];

  test.each([
    [0, 0],
    [3, 3],
    [5, 5],
    [6, 5],
    [7, 5],
    [8, 7],
    [10, 9],
  ])('source %i is remote %i', (offset, place) => {
    expect(remoteOf(landed, offset)).toEqual([place, 'exact']);
  });

  test('in the merged topic likewise, among the records of other sites', () => {
    expect([0, 3, 7, 8, 10].map((offset) => at(landed, offset)!.merged[0]!.offset)).toEqual([
      10, 13, 15, 41, 43,
    ]);
  });

  test('what was translated once stays so when more lands', () => {
    expect(at(landed.slice(0, 1), 5)).toEqual(at(landed, 5));
  });

  test('beyond what landed it is not exact: what is missing would be read again', () => {
    expect(remoteOf(landed, 11)).toEqual([9, 'ahead']);
  });

  test('until the site says that nothing is missing', () => {
    expect(remoteOf(landed, 11, { settled: 11 })).toEqual([9, 'exact']);
    expect(remoteOf(landed, 12, { settled: 11 })).toEqual([9, 'ahead']);
  });

  test('a window of the index knows that more follows', () => {
    expect(remoteOf(landed.slice(0, 1), 6, { followed: true })).toEqual([5, 'exact']);
  });
});

describe('before our first record', () => {
  test('nothing stood there: the start', () => {
    expect(remoteOf([segment(0, 100, 5, 0)], 40)).toEqual([0, 'exact']);
  });
  test('MirrorMaker 2 has landed it, or it is forgotten: not exact', () => {
    expect(remoteOf([segment(0, 100, 5, 100)], 40)).toEqual([100, 'before']);
    expect(remoteOf([segment(0, 100, 5, 0)], 40, { first: undefined })).toEqual([0, 'before']);
  });
  test('next to read is our first: exact all the same', () => {
    expect(remoteOf([segment(0, 100, 5, 100)], 100)).toEqual([100, 'exact']);
  });
  test('a flow that came later begins where it begins', () => {
    const landed = [segment(0, 0, 5, 0), segment(5, 5, 5, 5, 70)];
    expect(at(landed, 2)!.merged).toEqual([{ topic: mergedName, offset: 70, exactness: 'before' }]);
    expect(at(landed, 5)!.merged).toEqual([{ topic: mergedName, offset: 70, exactness: 'exact' }]);
  });
});

test('a loss between two segments is skipped like a hole', () => {
  const landed = [segment(0, 0, 5, 0), segment(15, 15, 5, 5)];
  expect([5, 9, 15, 16].map((offset) => remoteOf(landed, offset))).toEqual([
    [5, 'exact'],
    [5, 'exact'],
    [5, 'exact'],
    [6, 'exact'],
  ]);
});

test('a position in a topic that was created anew is not one in its predecessor', () => {
  const next = '2'.padStart(32, '0');
  const landed = [segment(0, 0, 50, 0)];
  const translated = (offset: number) =>
    translate({ segments: landed, first: landed[0] }, { offset, incarnation: next })!.remote;
  expect(translated(0)).toMatchObject({ offset: 50, exactness: 'exact' });
  expect(translated(7)).toMatchObject({ offset: 50, exactness: 'ahead' });
  landed.push({ ...segment(50, 0, 10, 50), runs: [{ ...landed[0]!.runs[0]!, incarnation: next }] });
  landed[1]!.runs = [{ sequence: 50, sourceOffset: 0, count: 10, incarnation: next }];
  expect(translated(7)).toMatchObject({ offset: 57, exactness: 'exact' });
  expect(remoteOf(landed, 7)).toEqual([7, 'exact']);
});

test('where a new buffer read the source again, the newest reading counts once it is as far', () => {
  const first = segment(0, 0, 100, 0);
  const again = (count: number) => [first, { ...segment(0, 0, count, 100), epoch: 'another' }];
  expect(remoteOf(again(20), 50)).toEqual([120, 'ahead']);
  expect(remoteOf(again(60), 50)).toEqual([150, 'exact']);
  // A buffer that went on at 60: only the old one has what comes before.
  const onwards = [first, segment(0, 60, 50, 100)];
  expect(remoteOf(onwards, 50)).toEqual([50, 'exact']);
  expect(remoteOf(onwards, 105)).toEqual([145, 'exact']);
});

test('a source without positions translates to its end, and says that it does not know', () => {
  const landed = [{ ...segment(0, 0, 5, 0), runs: [] }];
  expect(remoteOf(landed, 3)).toEqual([5, 'ahead']);
});

test(`every position translates as a walk over the records says (seed ${seed})`, () => {
  fc.assert(
    fc.property(worldPlan, (given) => {
      const world = buildWorld(given);
      for (const incarnation of world.incarnations) checkAll(world, given, incarnation);
    }),
    runs(1_000),
  );
});

function checkAll(world: SourceWorld, given: WorldPlan, incarnation: string): void {
  const own = world.records.filter((record) => record.incarnation === incarnation);
  const end = (own.at(-1)?.source ?? 0) + 3;
  const arrivedBefore = own.filter(({ sequence }) => sequence < given.arrived);
  const settled = (arrivedBefore.at(-1)?.source ?? -1) + 1;
  for (let offset = 0; offset <= end; offset++) {
    for (const known of [undefined, settled]) {
      const index = { segments: world.segments, first: world.segments[0], settled: known };
      const found = translate(index, { offset, incarnation });
      if (!found) {
        expect(world.segments).toEqual([]);
        continue;
      }
      check(found.remote, own, offset, { given, settled: known, at: ({ at }) => at?.remote });
      for (const place of found.merged) {
        check(place, own, offset, { given, settled: known, at: ({ at }) => at?.merged });
      }
    }
  }
}

interface Reading {
  given: WorldPlan;
  settled: number | undefined;
  at: (record: PlainRecord) => number | undefined;
}

/** A reader that goes on at `place` against one that goes on at the source. */
function check(place: Place, own: PlainRecord[], offset: number, reading: Reading): void {
  const { given, settled, at } = reading;
  const readAgain = own.filter((record) => record.source < offset && at(record)! >= place.offset);
  const skipped = own.filter((record) => record.source >= offset && at(record)! < place.offset);
  const yetToCome = own.filter(
    ({ source, sequence }) => source < offset && sequence >= given.arrived,
  );
  expect({ readAgain, skipped }).toEqual({ readAgain: [], skipped: [] });
  if (place.exactness === 'exact') expect(yetToCome).toEqual([]);
  // Not exact only where it has to be.
  const landed = own.filter((record) => at(record) !== undefined).map(({ source }) => source);
  const first = landed[0] ?? Number.POSITIVE_INFINITY;
  const last = landed.at(-1) ?? -1;
  if (place.exactness === 'ahead') {
    expect(offset).toBeGreaterThan(last + 1);
    expect(offset).toBeGreaterThan(settled ?? 0);
  }
  if (place.exactness === 'before') {
    expect(offset).toBeLessThan(first);
    expect(given.remoteStart + given.flowFrom).toBeGreaterThan(0);
  }
}

describe('the remote topic got another name', () => {
  // Source 0 to 4 in the old topic, 7 to 9 and 10 to 11 in the new one, where others land too.
  const old = segment(0, 0, 5, 0);
  const renamed = [segment(5, 7, 3, 20), segment(8, 10, 2, 40)].map((one) => {
    return { ...one, remote: { topic: 'new', offset: one.remote.offset } };
  });
  const turns: Turn[] = [
    { from: { topic: remoteName, offset: 5 }, to: { topic: 'new', offset: 20 }, isNew: true },
  ];
  const both = (offset: number, segments = [old, ...renamed], more: object = { turns }) => {
    const { remote, earlier } = at(segments, offset, more)!;
    return [remote, ...earlier].map((place) => `${place.topic} ${place.offset} ${place.exactness}`);
  };

  test.each([
    [0, 0, 20],
    [3, 3, 20],
    [5, 5, 20],
    [6, 5, 20],
    [7, 5, 20],
    [9, 5, 22],
    [10, 5, 23],
    [11, 5, 41],
    [12, 5, 42],
  ])('source %i is %i in the old topic and %i in the new one', (source, before, behind) => {
    expect(both(source)).toEqual([`new ${behind} exact`, `${remoteName} ${before} exact`]);
  });

  test('also where only the part with the position was read again', () => {
    expect(both(3, [old, renamed[1]!], { turns, followed: true })).toEqual([
      'new 20 exact',
      `${remoteName} 3 exact`,
    ]);
  });

  test('and back again: in each topic where it stands', () => {
    const back = segment(10, 12, 2, 6);
    const more: Turn[] = [
      ...turns,
      { from: { topic: 'new', offset: 42 }, to: { topic: remoteName, offset: 6 }, isNew: true },
    ];
    const all = [old, ...renamed, back];
    expect(both(3, all, { turns: more })).toEqual([`${remoteName} 3 exact`, 'new 20 exact']);
    expect(both(9, all, { turns: more })).toEqual([`${remoteName} 5 exact`, 'new 22 exact']);
    expect(both(13, all, { turns: more })).toEqual([`${remoteName} 7 exact`, 'new 42 exact']);
  });

  test('what is older than the index is before in both', () => {
    const younger = [segment(5, 7, 3, 6), ...renamed.slice(1)];
    const [turn] = turns;
    const known = [{ ...turn!, from: { topic: remoteName, offset: 9 }, to: renamed[1]!.remote }];
    expect(both(3, younger, { turns: known, first: undefined })).toEqual([
      'new 40 before',
      `${remoteName} 6 before`,
    ]);
  });

  test('where a flow had filled the new one before, its past is not claimed to be known', () => {
    const filled = [{ ...turns[0]!, isNew: false }];
    expect(both(3, undefined, { turns: filled })[0]).toBe('new 20 before');
  });
});
