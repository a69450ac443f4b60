import { describe, expect, test } from 'vitest';
import { decodeMm2OffsetSync } from '#shared/wire/mm2-offset-sync.ts';
import { epoch, group, life, MirrorWorld } from './mirror-world.ts';

describe('checkpoints of groups', () => {
  test('state where the group goes on, once it is known and once only', async () => {
    const world = new MirrorWorld();
    world.land(0, 10);
    await world.at(7);
    expect(await world.commit()).toEqual([[7, 7]]);
    expect(world.checkpoints[0]).toEqual({
      group: 'g',
      topic: 'a.t',
      partition: 0,
      upstreamOffset: 7,
      offset: 7,
      metadata: '',
    });
    expect(await world.commit()).toEqual([]);
  });

  test('there is none before anything landed', async () => {
    const world = new MirrorWorld();
    await world.at(0);
    expect(await world.commit()).toEqual([]);
    world.land(0, 10);
    expect(await world.commit()).toEqual([[0, 0]]);
  });

  test('a group that stands at the start of an empty partition gets none', async () => {
    const world = new MirrorWorld();
    world.land(0, 10);
    world.report([
      { ...group('g', 0), offsets: [{ ...group('g', 0).offsets[0]!, topic: 'empty' }] },
    ]);
    expect(await world.commit()).toEqual([]);
    expect(world.mirror.groups('a')[0]).toMatchObject({ topic: 'empty', remote: null, merged: [] });
  });

  test('a group far behind gets one that advances as it does', async () => {
    const world = new MirrorWorld();
    for (let i = 0; i < 100; i++) world.land(i * 10, 10);
    for (const offset of [5, 500, 505]) await world.at(offset).then(() => world.commit());
    // Every ten records a marker stands in the remote topic.
    expect(world.checkpoints.map(({ offset }) => offset)).toEqual([5, 549, 555]);
  });

  test('one that was not committed is due again', async () => {
    const world = new MirrorWorld();
    world.land(0, 10);
    await world.at(3);
    expect(world.mirror.due('a')?.topics).toHaveLength(2);
    expect(world.mirror.due('a')?.topics).toHaveLength(2);
    expect(await world.commit()).toEqual([[3, 3]]);
  });

  test('a group ahead of what landed advances with what lands, until it is exact', async () => {
    const world = new MirrorWorld();
    world.land(0, 10);
    await world.at(25);
    expect(await world.commit()).toEqual([[25, 10]]);
    expect(world.mirror.groups()[0]!.remote!.exactness).toBe('ahead');
    world.land(10, 10);
    expect(await world.commit()).toEqual([[25, 21]]);
    world.land(20, 10);
    expect(await world.commit()).toEqual([[25, 27]]);
    expect(world.mirror.groups()[0]!.remote!.exactness).toBe('exact');
    world.land(30, 10);
    expect(await world.commit()).toEqual([]);
  });

  test('a group behind the last marker of its source is exact when the site has read so far', async () => {
    const world = new MirrorWorld();
    world.land(0, 10);
    await world.at(11);
    expect(world.mirror.groups()[0]!.remote).toMatchObject({ offset: 10, exactness: 'ahead' });
    const read = { topic: 't', partition: 0, incarnation: life, next: 11, epoch };
    world.report([], { positions: [{ ...read, sequence: 11 }] });
    await world.mirror.idle();
    expect(world.mirror.groups()[0]!.remote!.exactness).toBe('ahead');
    world.report([], { positions: [{ ...read, sequence: 10 }] });
    await world.mirror.idle();
    expect(world.mirror.groups()[0]!.remote).toMatchObject({ offset: 10, exactness: 'exact' });
  });
});

describe('checkpoints never go back', () => {
  test('unless the group was rewound', async () => {
    const world = new MirrorWorld();
    world.land(0, 10);
    await world.at(8);
    expect(await world.commit()).toEqual([[8, 8]]);
    await world.at(2);
    expect(await world.commit()).toEqual([[2, 2]]);
    await world.at(3);
    expect(await world.commit()).toEqual([[3, 3]]);
  });

  test('not after a restart either: what is written is read first', async () => {
    const world = new MirrorWorld();
    world.checkpoints.push({
      ...{ group: 'g', topic: 'a.t', partition: 0, metadata: '' },
      ...{ upstreamOffset: 6, offset: 9 },
    });
    world.land(0, 10);
    await world.at(8);
    expect(await world.commit()).toEqual([]);
    world.land(10, 10);
    await world.at(12);
    expect(await world.commit()).toEqual([[12, 13]]);
  });

  test('while what is written cannot be read, nothing is written', async () => {
    const world = new MirrorWorld();
    world.readError = new Error('no leader');
    world.land(0, 10);
    await world.at(8);
    expect(await world.commit()).toEqual([]);
    world.readError = undefined;
    world.report([]);
    expect(await world.commit()).toEqual([[8, 8]]);
  });

  test('a topic that was created anew begins anew', async () => {
    const world = new MirrorWorld();
    const next = '2'.padStart(32, '0');
    world.land(0, 100);
    await world.at(100);
    expect(await world.commit()).toEqual([[100, 100]]);
    world.land(0, 10, next);
    await world.at(4, next);
    expect(await world.commit()).toEqual([[4, 105]]);
  });
});

describe('reports', () => {
  test('after a restart of central the site tells all again', async () => {
    const world = new MirrorWorld();
    expect(world.report([group('g', 1)], { number: 5 })).toBe(0);
    expect(world.mirror.groups()).toEqual([]);
    expect(world.report([group('g', 1)])).toBe(1);
    expect(world.mirror.groups()).toHaveLength(1);
  });

  test('one whose answer was lost may come again, newer', () => {
    const world = new MirrorWorld();
    world.report([group('g', 1)]);
    expect(world.report([group('h', 1)], { number: 1 })).toBe(2);
    expect(world.report([group('h', 9)], { number: 1 })).toBe(2);
    expect(world.mirror.groups().map(({ sourceOffset }) => sourceOffset)).toEqual([1, 9]);
  });

  test('one of another session or out of turn changes nothing', () => {
    const world = new MirrorWorld();
    world.report([group('g', 1)]);
    expect(world.report([group('g', 2)], { number: 3 })).toBe(1);
    expect(world.report([group('g', 2)], { number: 1, session: 'd'.repeat(32) })).toBe(0);
    expect(world.mirror.groups()[0]!.sourceOffset).toBe(1);
  });

  test('a group that is gone is shown no more, and what is written of it stays', async () => {
    const world = new MirrorWorld();
    world.land(0, 10);
    await world.at(4);
    await world.commit();
    world.report([], { gone: ['g'] });
    expect(world.mirror.groups()).toEqual([]);
    expect(await world.commit()).toEqual([]);
  });

  test('the view has the place in the merged topic too', async () => {
    const world = new MirrorWorld();
    world.land(0, 10);
    world.land(10, 10);
    await world.at(12);
    expect(world.mirror.groups('a')).toEqual([
      {
        alias: 'a',
        group: 'g',
        state: 'Stable',
        topic: 't',
        partition: 0,
        sourceOffset: 12,
        metadata: '',
        remote: { topic: 'a.t', offset: 13, exactness: 'exact' },
        merged: [{ topic: 't', offset: 20, exactness: 'exact' }],
        reportedAt: 1_000_000,
      },
    ]);
    expect(world.mirror.groups('b')).toEqual([]);
  });
});

test('with identity naming checkpoints bear the name of the source', async () => {
  const world = new MirrorWorld('t');
  world.land(0, 10);
  await world.at(3);
  await world.commit();
  expect(world.checkpoints[0]!.topic).toBe('t');
});

describe('offset syncs', () => {
  const syncs = (world: MirrorWorld) => {
    const due = world.mirror.due('a');
    due?.written();
    return (due?.topics ?? [])
      .filter(({ topic }) => topic === 'mm2-offset-syncs.a.internal')
      .flatMap(({ records }) => records.map(decodeMm2OffsetSync));
  };

  test('name the last record that landed, at once and then now and then', () => {
    const world = new MirrorWorld();
    world.land(100, 10);
    expect(syncs(world)).toEqual([{ topic: 't', partition: 0, upstreamOffset: 109, offset: 9 }]);
    world.land(110, 10);
    world.land(120, 10);
    expect(syncs(world)).toEqual([]);
    world.now += 10_000;
    expect(syncs(world)).toEqual([{ topic: 't', partition: 0, upstreamOffset: 129, offset: 31 }]);
    world.now += 10_000;
    expect(syncs(world)).toEqual([]);
  });
});
