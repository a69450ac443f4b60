import { expect, onTestFinished, test } from 'vitest';
import { readAll } from '../../contract/landing-dump.ts';
import { life, MirrorWorld } from './mirror-world.ts';

async function open(naming: MirrorWorld['naming']): Promise<MirrorWorld> {
  const world = await MirrorWorld.open({}, { naming });
  onTestFinished(() => world.close());
  return world;
}

/** How many of the site's records who goes on at this place of a topic has yet to read. */
async function left(world: MirrorWorld, topic: string, offset: number): Promise<number> {
  const all = await readAll(world.landing, topic, 0);
  return all.filter((one) => one.offset >= offset && String(one.key).startsWith('a-')).length;
}

test('among the records of other sites in one topic every position is exact', async () => {
  const world = await open('identity');
  for (let i = 0; i < 10; i++) {
    await world.land(i * 10, 10);
    await world.landOther(3);
  }
  for (const position of [0, 5, 10, 55, 99, 100]) {
    await world.at(position);
    const view = (await world.mirror.groups('a'))[0]!;
    expect(view.remote).toMatchObject({ topic: 't', exactness: 'exact' });
    expect(await left(world, 't', view.remote!.offset)).toBe(100 - position);
    expect([view.earlier, view.merged]).toEqual([[], []]);
  }
  const topics = async () => new Set((await world.checkpoints()).map(({ topic }) => topic));
  await expect.poll(topics).toEqual(new Set(['t']));
  await expect.poll(() => world.syncs()).not.toEqual([]);
});

test.each([
  ['from the prefix', 'default', 'identity'],
  ['back to it', 'identity', 'default'],
] as const)(
  'another naming, %s: in the topic that all of it is in, every position is exact',
  async (_, first, second) => {
    const world = await open(first);
    for (let i = 0; i < 5; i++) {
      await world.land(i * 10, 10);
      await world.landOther(2);
    }
    // It moves no more: it is found in the new topic all the same.
    await world.at(17);
    await world.settle();
    world.naming = second;
    await world.restart();
    for (let i = 5; i < 10; i++) {
      await world.land(i * 10, 10);
      await world.landOther(2);
    }
    for (const position of [17, 50, 73, 100]) {
      await world.at(position);
      const [view] = await world.mirror.groups('a');
      // One naming's flow went into what the other names so.
      const all = [view!.remote!, ...view!.earlier, ...view!.merged];
      expect(all.map(({ topic, exactness }) => `${topic} ${exactness}`).sort()).toEqual([
        'a.t exact',
        't exact',
      ]);
      const at = new Map(all.map(({ topic, offset }) => [topic, offset]));
      expect(await left(world, 't', at.get('t')!)).toBe(100 - position);
      const inOld = first === 'default' ? Math.max(0, 50 - position) : Math.min(50, 100 - position);
      expect(await left(world, 'a.t', at.get('a.t')!)).toBe(inOld);
    }
  },
);

test('positions of before stand in the topic of before, also when all was read again', async () => {
  const world = await open('default');
  world.flow = false;
  for (let i = 0; i < 5; i++) await world.land(i * 10, 10);
  world.naming = 'identity';
  await world.restart();
  for (let i = 5; i < 10; i++) {
    await world.landOther(2);
    await world.land(i * 10, 10);
  }
  for (const position of [17, 50, 73, 100]) {
    await world.at(position, life);
    const [view] = await world.mirror.groups('a');
    const all = [view!.remote!, ...view!.earlier];
    expect(all.map(({ topic, exactness }) => `${topic} ${exactness}`)).toEqual([
      't exact',
      'a.t exact',
    ]);
    const yet = await Promise.all(all.map(({ topic, offset }) => left(world, topic, offset)));
    expect(yet[0]! + yet[1]!).toBe(100 - position);
    await world.settle();
  }
  // MirrorMaker 2's readers are told both.
  const unread = async () => {
    const newest = new Map(
      (await world.checkpoints()).map(({ topic, offset }) => [topic, offset] as const),
    );
    const topics = [...newest].map(async ([topic, at]) => [topic, await left(world, topic, at)]);
    return Object.fromEntries(await Promise.all(topics));
  };
  await expect.poll(unread).toEqual({ 'a.t': 0, t: 0 });
});

test('in a topic of several sites a group follows by no collector of its own accord', async () => {
  const world = await open('identity');
  await world.land(0, 10);
  expect(world.landing.mirror.ofOneSite(new Set(['t', 'none']))).toEqual(new Set(['t', 'none']));
  await world.landOther(1);
  expect(world.landing.mirror.ofOneSite(new Set(['t', 'none']))).toEqual(new Set(['none']));
});
