import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { OffsetSyncs } from '#central/mirror/offset-syncs.ts';
import { systemClock } from '#shared/std/clock.ts';
import { group, life, MirrorWorld } from './mirror-world.ts';

async function open(): Promise<MirrorWorld> {
  const world = await MirrorWorld.open();
  onTestFinished(() => world.close());
  return world;
}

describe('checkpoints of groups', () => {
  test('state where the group goes on, once it is known and once only', async () => {
    const world = await open();
    await world.land(0, 10);
    await world.at(7);
    expect(await world.checkpoints()).toEqual([
      {
        ...{ group: 'g', topic: 'a.t', partition: 0, metadata: '' },
        ...{ upstreamOffset: 7, offset: 7 },
      },
    ]);
    expect(await world.checkpoints()).toHaveLength(1);
  });

  test('are written soon, also where nobody commits anything more', async () => {
    const world = await open();
    await world.land(0, 10);
    await world.at(7);
    await expect.poll(() => world.committedCheckpoints(), { timeout: 5_000 }).toHaveLength(1);
  });

  test('there is none before anything landed', async () => {
    const world = await open();
    await world.at(0);
    expect(await world.written()).toEqual([]);
    await world.land(0, 10);
    expect(await world.written()).toEqual([[0, 0]]);
  });

  test('a group that stands at the start of an empty partition gets none', async () => {
    const world = await open();
    await world.land(0, 10);
    const offsets = [{ ...group('g', 0).offsets[0]!, topic: 'empty' }];
    await world.report([{ ...group('g', 0), offsets }]);
    expect(await world.written()).toEqual([]);
    expect((await world.mirror.groups('a'))[0]).toMatchObject({
      ...{ topic: 'empty', remote: null, merged: [] },
    });
  });

  test('a group far behind gets one that advances as it does', async () => {
    const world = await open();
    for (let i = 0; i < 100; i++) await world.land(i * 10, 10);
    for (const offset of [5, 500, 505]) {
      await world.at(offset);
      await world.settle();
    }
    // Every ten records a marker stands in the remote topic.
    expect((await world.written()).map(([, offset]) => offset)).toEqual([5, 549, 555]);
  });

  test('a group ahead of what landed advances with what lands, until it is exact', async () => {
    const world = await open();
    await world.land(0, 10);
    await world.at(25);
    expect(await world.written()).toEqual([[25, 10]]);
    expect((await world.placeOf()).remote).toEqual([10, 'ahead']);
    await world.land(10, 10);
    expect((await world.written()).at(-1)).toEqual([25, 21]);
    await world.land(20, 10);
    expect((await world.written()).at(-1)).toEqual([25, 27]);
    expect((await world.placeOf()).remote).toEqual([27, 'exact']);
    const written = await world.written();
    await world.land(30, 10);
    expect(await world.written()).toEqual(written);
  });

  test('a group behind the last marker of its source is exact when the site has read so far', async () => {
    const world = await open();
    await world.land(0, 10);
    await world.at(11);
    expect((await world.placeOf()).remote).toEqual([10, 'ahead']);
    const { epoch } = world.site;
    const read = { topic: 't', partition: 0, incarnation: life, next: 11, epoch };
    await world.report([], { positions: [{ ...read, sequence: 11 }] });
    expect((await world.placeOf()).remote).toEqual([10, 'ahead']);
    await world.report([], { positions: [{ ...read, sequence: 10 }] });
    expect((await world.placeOf()).remote).toEqual([10, 'exact']);
  });

  test('a loss behind the last that landed settles it too', async () => {
    const world = await open();
    await world.land(0, 10);
    const { epoch } = world.site;
    const read = { topic: 't', partition: 0, incarnation: life, next: 14, epoch, sequence: 14 };
    await world.report([group('g', 14)], { positions: [read] });
    expect((await world.placeOf()).remote).toEqual([10, 'ahead']);
    const losses = [world.site.loss(4, { topic: 't' })];
    await world.landing.commit([world.site.write(5, { losses })]);
    expect((await world.placeOf()).remote).toEqual([10, 'exact']);
  });
});

describe('checkpoints never go back', () => {
  test('unless the group was rewound', async () => {
    const world = await open();
    await world.land(0, 10);
    for (const offset of [8, 2, 3]) {
      await world.at(offset);
      await world.settle();
    }
    expect(await world.written()).toEqual([
      [8, 8],
      [2, 2],
      [3, 3],
    ]);
  });

  test('not after a restart either: what is written is read first', async () => {
    const world = await open();
    await world.land(0, 10);
    await world.at(8);
    expect(await world.written()).toEqual([[8, 8]]);
    await world.restart();
    expect(await world.written()).toEqual([[8, 8]]);
    await world.land(10, 10);
    // Told in the life before, and kept by the landing.
    expect((await world.placeOf()).remote).toEqual([8, 'exact']);
    expect(await world.report([group('g', 12)])).toBe(0);
    await world.at(12);
    expect(await world.written()).toEqual([
      [8, 8],
      [12, 13],
    ]);
  });

  test('a topic that was created anew begins anew', async () => {
    const world = await open();
    const next = '2'.padStart(32, '0');
    await world.land(0, 100);
    await world.at(100);
    expect(await world.written()).toEqual([[100, 100]]);
    await world.land(0, 10, next);
    await world.at(4, next);
    expect((await world.written()).at(-1)).toEqual([4, 105]);
  });
});

describe('what a site tells of its groups', () => {
  const offsets = async (world: MirrorWorld) =>
    (await world.mirror.groups()).map((view) => [view.group, view.sourceOffset]);

  test('outlives central, and is told again by the site all the same', async () => {
    const world = await open();
    await world.report([group('g', 1), group('old', 1)]);
    await world.restart();
    expect(await offsets(world)).toEqual([
      ['g', 1],
      ['old', 1],
    ]);
    expect(await world.report([group('g', 3)])).toBe(0);
    // In two reports; what neither of them names is no more.
    expect(await world.report([group('g', 2)], { complete: false })).toBe(1);
    expect(await offsets(world)).toEqual([
      ['g', 2],
      ['old', 1],
    ]);
    await world.report([group('new', 5)]);
    expect(await offsets(world)).toEqual([
      ['g', 2],
      ['new', 5],
    ]);
  });

  test('may come again where the answer was lost, newer', async () => {
    const world = await open();
    await world.report([group('g', 1)]);
    expect(await world.report([group('h', 1)], { number: 1 })).toBe(2);
    expect(await world.report([group('h', 9)], { number: 1 })).toBe(2);
    expect(await offsets(world)).toEqual([
      ['g', 1],
      ['h', 9],
    ]);
  });

  test('changes nothing out of turn, or of another session', async () => {
    const world = await open();
    await world.report([group('g', 1)]);
    expect(await world.report([group('g', 2)], { number: 3 })).toBe(1);
    expect(await world.report([group('g', 2)], { number: 1, session: 'd'.repeat(32) })).toBe(0);
    expect(await offsets(world)).toEqual([['g', 1]]);
  });

  test('is told again where central could not keep it', async () => {
    const world = await open();
    await world.report([group('g', 1)]);
    const { alias, session } = world.site;
    const report = { version: 1, alias, session, gone: [], positions: [], topics: [], acls: null };
    const groups = [group('g', 2)];
    world.mirror.report(alias, { ...report, number: 1, groups, complete: true }).failed();
    expect(await world.report([group('g', 2)], { number: 1 })).toBe(0);
    expect(await offsets(world)).toEqual([['g', 1]]);
  });

  test('goes with the group; what is written of it stays', async () => {
    const world = await open();
    await world.land(0, 10);
    await world.at(4);
    await world.settle();
    await world.report([], { gone: ['g'] });
    expect(await offsets(world)).toEqual([]);
    expect(await world.written()).toEqual([[4, 4]]);
  });

  test('goes with the site', async () => {
    const world = await open();
    await world.at(4);
    const { alias } = world.site;
    await world.landing.commit([{ alias, at: 5, segments: [], losses: [], remove: true }]);
    expect(await offsets(world)).toEqual([]);
    await world.restart();
    expect(await offsets(world)).toEqual([]);
  });
});

test('the view has the place in the merged topic too', async () => {
  const world = await open();
  await world.land(0, 10);
  await world.landOther(6);
  await world.land(10, 10);
  await world.at(12);
  const before = Math.round(systemClock.now());
  const [view] = await world.mirror.groups('a');
  expect(view).toEqual({
    ...{ alias: 'a', group: 'g', state: 'Stable', topic: 't', partition: 0 },
    ...{ sourceOffset: 12, metadata: '', earlier: [] },
    remote: { topic: 'a.t', offset: 13, exactness: 'exact' },
    merged: [{ topic: 't', offset: 20, exactness: 'exact' }],
    reportedAt: expect.any(Number),
  });
  expect(view!.reportedAt).toBeLessThanOrEqual(before);
  expect(await world.mirror.groups('b')).toEqual([]);
});

describe('offset syncs', () => {
  test('name the last record that landed', async () => {
    const world = await open();
    await world.at(100);
    await world.settle();
    await world.land(100, 10);
    await world.land(110, 10);
    expect((await world.syncs()).at(-1)).toEqual({
      ...{ topic: 't', partition: 0, upstreamOffset: 119, offset: 20 },
    });
  });

  test('are written at once and then now and then', () => {
    const syncs = new OffsetSyncs(10_000);
    const landed = (source: number) =>
      syncs.landed('t', 0, {
        ...{ first: 0, count: 10, remote: { topic: 'a.t', offset: source }, merged: [] },
        runs: [{ sequence: 0, sourceOffset: source, count: 10, incarnation: life }],
      });
    const due = (at: number) => {
      const found = syncs.due(at);
      syncs.settle(found, at);
      return found.map(({ upstreamOffset }) => upstreamOffset);
    };
    landed(100);
    expect(due(0)).toEqual([109]);
    landed(110);
    landed(120);
    expect(due(9_999)).toEqual([]);
    expect(due(10_000)).toEqual([129]);
    expect(due(20_000)).toEqual([]);
  });
});

test('a first report that is being committed is not forgotten meanwhile', async () => {
  const world = await open();
  await world.land(0, 10);
  const { alias, session } = world.site;
  const report = (number: number, offset: number) =>
    world.mirror.report(alias, {
      ...{ version: 1, alias, session, number, groups: [group('g', offset)], gone: [] },
      ...{ positions: [], topics: [], acls: null, complete: number === 0 },
    });
  const first = report(0, 3);
  const rounds = vi.spyOn(world.landing.mirror, 'aliases');
  await expect.poll(() => rounds.mock.calls.length).toBeGreaterThan(4);
  await world.landing.commit([world.site.write(3, { facts: first.facts })]);
  first.committed();
  const second = report(first.next, 5);
  second.committed();
  expect([first.next, second.next, second.facts.length]).toEqual([1, 2, 1]);
});
