import { expect, test } from 'vitest';
import { lowestOffsets, syncGroups } from '#central/mirror/group-sync.ts';
import { type GroupOffset, KafkaError } from '#shared/kafka/kafka.ts';
import { Coordinator } from './coordinator.ts';

const offset = (at: number, partition = 0, topic = 'a.t'): GroupOffset => ({
  ...{ topic, partition, offset: at, metadata: '' },
});

const sync = async (coordinator: Coordinator, wanted: GroupOffset[], dryRun = false) => {
  const [result] = await syncGroups(coordinator, new Map([['g', wanted]]), { dryRun });
  return result!;
};

test('a group that central does not know gets its positions', async () => {
  const coordinator = new Coordinator();
  expect(await sync(coordinator, [offset(5), offset(7, 1)])).toEqual({
    group: 'g',
    outcome: 'set',
    offsets: [offset(5), offset(7, 1)],
  });
  expect(coordinator.groups.get('g')!.offsets).toEqual([offset(5), offset(7, 1)]);
});

test('an empty group moves on where it is behind, and nowhere back', async () => {
  const coordinator = new Coordinator();
  const existing = [offset(5), offset(9, 1), offset(3, 0, 'own')];
  coordinator.groups.set('g', { state: 'Empty', members: 0, offsets: existing });
  const { outcome, offsets } = await sync(coordinator, [offset(6), offset(8, 1), offset(2, 2)]);
  expect([outcome, offsets]).toEqual(['set', [offset(6), offset(2, 2)]]);
  expect(new Set(coordinator.groups.get('g')!.offsets)).toEqual(
    new Set([offset(6), offset(9, 1), offset(2, 2), offset(3, 0, 'own')]),
  );
});

test('a rewind at the site does not rewind the group at central', async () => {
  const coordinator = new Coordinator();
  coordinator.groups.set('g', { state: 'Empty', members: 0, offsets: [offset(50)] });
  expect(await sync(coordinator, [offset(3)])).toMatchObject({ outcome: 'current', offsets: [] });
  expect(coordinator.groups.get('g')!.offsets).toEqual([offset(50)]);
});

test.each(['Stable', 'PreparingRebalance', 'CompletingRebalance'])(
  'a group that is %s at central is left alone',
  async (state) => {
    const coordinator = new Coordinator();
    coordinator.groups.set('g', { state, members: 1, offsets: [offset(1)] });
    expect(await sync(coordinator, [offset(9)])).toMatchObject({ outcome: 'active' });
    expect(coordinator.groups.get('g')!.offsets).toEqual([offset(1)]);
  },
);

test('one that wakes up meanwhile is left alone, and the others are done', async () => {
  const coordinator = new Coordinator();
  coordinator.waking.add('g');
  const wanted = new Map([
    ['g', [offset(9)]],
    ['h', [offset(4)]],
  ]);
  const outcomes = (await syncGroups(coordinator, wanted)).map(({ outcome }) => outcome);
  expect(outcomes).toEqual(['active', 'set']);
});

test('a dry run says what would be set and sets nothing', async () => {
  const coordinator = new Coordinator();
  expect(await sync(coordinator, [offset(9)], true)).toMatchObject({
    outcome: 'set',
    offsets: [offset(9)],
  });
  expect(coordinator.groups.size).toBe(0);
});

test('other failures are told', async () => {
  const coordinator = new Coordinator();
  coordinator.setGroupOffsets = async () => {
    throw new KafkaError('denied', 'no ALTER on group g');
  };
  await expect(sync(coordinator, [offset(9)])).rejects.toMatchObject({ code: 'denied' });
});

test('of several sites in one partition the lowest counts', () => {
  expect(lowestOffsets([offset(9), offset(4), offset(6), offset(1, 1)])).toEqual([
    offset(4),
    offset(1, 1),
  ]);
});
