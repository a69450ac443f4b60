import { expect, test } from 'vitest';
import { applyGroup, GroupFollower } from '#central/mirror/group-follower.ts';
import type { GroupView } from '#central/mirror/mirror.ts';
import type { Exactness } from '#central/mirror/translate.ts';
import { silentLog } from '#shared/std/log.ts';
import { MachineClock, VirtualTime } from '../../sim/virtual-clock.ts';
import { Coordinator } from './coordinator.ts';

const view = (alias: string, offset: number, how: Exactness = 'exact'): GroupView => ({
  ...{ alias, group: 'g', state: 'Empty', topic: 't', partition: 0, sourceOffset: 1 },
  ...{ metadata: 'm', reportedAt: 1 },
  remote: { topic: `${alias}.t`, offset, exactness: how },
  earlier: [],
  merged: [{ topic: 't', offset: 10 * offset, exactness: how }],
});

function following(coordinator: Coordinator, shared: readonly string[] = []) {
  const time = new VirtualTime();
  const clock = new MachineClock(time, 0);
  const ofOneSite = (topics: ReadonlySet<string>) =>
    new Set([...topics].filter((topic) => !shared.includes(topic)));
  const follower = new GroupFollower({ admin: coordinator, clock, log: silentLog, ofOneSite });
  /** In the next round. */
  const follow = async (...views: GroupView[]) => {
    time.step(time.now + 10_000);
    await follower.follow(() => views);
  };
  const offsets = () =>
    coordinator.groups.get('g')?.offsets.map(({ topic, offset }) => `${topic} ${offset}`) ?? [];
  return { follow, offsets };
}

test('groups follow in the remote topics of all their sites, and not in merged ones', async () => {
  const coordinator = new Coordinator();
  const { follow, offsets } = following(coordinator);
  await follow(view('a', 5), view('b', 7));
  expect(offsets().sort()).toEqual(['a.t 5', 'b.t 7']);
  await follow(view('a', 6), view('b', 7));
  expect(offsets().sort()).toEqual(['a.t 6', 'b.t 7']);
  expect(coordinator.groups.get('g')!.offsets[0]!.metadata).toBe('m');
});

test('a topic that several sites land in is left to a person', async () => {
  const coordinator = new Coordinator();
  const { follow, offsets } = following(coordinator, ['a.t']);
  await follow(view('a', 5), view('b', 7));
  expect(offsets()).toEqual(['b.t 7']);
});

test('before and behind a change of naming, a group follows in both topics', async () => {
  const coordinator = new Coordinator();
  const { follow, offsets } = following(coordinator);
  const earlier = [{ topic: 'a.t', offset: 9, exactness: 'exact' as const }];
  await follow({ ...view('a', 5), remote: { topic: 't', offset: 4, exactness: 'exact' }, earlier });
  expect(offsets().sort()).toEqual(['a.t 9', 't 4']);
});

test('nobody is asked about a group that has not moved', async () => {
  const coordinator = new Coordinator();
  const { follow } = following(coordinator);
  await follow(view('a', 5));
  coordinator.asked = 0;
  await follow(view('a', 5));
  expect(coordinator.asked).toBe(0);
  await follow(view('a', 6));
  expect(coordinator.asked).toBeGreaterThan(0);
});

test('one that was active is set when it has no members any more', async () => {
  const coordinator = new Coordinator();
  const { follow, offsets } = following(coordinator);
  coordinator.groups.set('g', { state: 'Stable', members: 1, offsets: [] });
  await follow(view('a', 5));
  expect(offsets()).toEqual([]);
  coordinator.groups.set('g', { state: 'Empty', members: 0, offsets: [] });
  await follow(view('a', 5));
  expect(offsets()).toEqual(['a.t 5']);
});

test('a place that may lie behind unread records is never set, by nobody', async () => {
  const coordinator = new Coordinator();
  const { follow } = following(coordinator);
  await follow(view('a', 5, 'before'));
  expect(coordinator.groups.size).toBe(0);
  const applied = await applyGroup(coordinator, 'g', [view('a', 5, 'before')], false);
  expect(applied).toEqual({ group: 'g', outcome: 'unknown', offsets: [] });
});

test('by hand a group is put in the merged topics too, or told where it would be', async () => {
  const coordinator = new Coordinator();
  const offsets = [
    { topic: 'a.t', partition: 0, offset: 5 },
    { topic: 't', partition: 0, offset: 50 },
  ];
  expect(await applyGroup(coordinator, 'g', [view('a', 5)], true)).toEqual({
    ...{ group: 'g', outcome: 'set', offsets },
  });
  expect(coordinator.groups.size).toBe(0);
  await applyGroup(coordinator, 'g', [view('a', 5)], false);
  expect(coordinator.groups.get('g')!.offsets).toMatchObject(offsets);
});
