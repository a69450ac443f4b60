import { afterEach, expect, test } from 'vitest';
import { type ForwardedAdmin, forwardedAdmin } from '#central/forwarded-admin.ts';
import { openIntake } from '#central/intake/open-intake.ts';
import { openKafkaLanding } from '#central/landing/kafka.ts';
import type { KafkaLanding } from '#central/landing/kafka-landing.ts';
import { groupOwners } from '#central/landing/kafka-owners.ts';
import { openMerge } from '#central/merge/merge.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { Site } from '../contract/landing-site.ts';
import { MemoryCluster } from '../sim/memory-kafka.ts';
import { Heard } from './intake/world.ts';
import { kafkaOptions } from './landing/kafka-options.ts';

interface Collector {
  landing: KafkaLanding;
  forwarded: ForwardedAdmin;
  heard: Heard;
}

const open: Collector[] = [];
afterEach(async () => {
  for (const { landing, forwarded } of open.splice(0)) {
    forwarded.close();
    await landing.abandon();
  }
});

async function collector(cluster: MemoryCluster, name: string): Promise<Collector> {
  const landing = await openKafkaLanding(
    { ...kafkaOptions, shards: 4 },
    { kafka: cluster.open(), clock: systemClock, log: silentLog, owners: groupOwners },
  );
  const heard = new Heard();
  const parts = { landing, fleet: heard, clock: systemClock, log: silentLog };
  const intake = openIntake({ ...parts, merge: openMerge([]) });
  landing.onForeign((alias) => intake.forget(alias));
  const forwarded = forwardedAdmin(intake.admin, landing, { clock: systemClock });
  const made = { landing, forwarded, heard };
  open.push(made);
  await landing.serve(`http://${name}`);
  return made;
}

/** Two collectors, a site, and who of them serves it. */
async function two() {
  const cluster = new MemoryCluster();
  const both = [await collector(cluster, 'one'), await collector(cluster, 'two')];
  const ownerOf = (alias: string) => both.find(({ landing }) => landing.route(alias).to === 'here');
  await expect
    .poll(() => new Set(['a', 'b', 'c', 'd', 'e', 'f'].map(ownerOf)).size, { timeout: 9_000 })
    .toBe(2);
  await expect.poll(() => ['a', 'b', 'c', 'd'].every(ownerOf)).toBe(true);
  const site = new Site('a');
  const owner = ownerOf('a')!;
  const other = both.find((one) => one !== owner)!;
  await owner.landing.commit([site.hello(1)]);
  await expect.poll(async () => (await other.landing.aliases()).length).toBe(1);
  return { cluster, owner, other };
}

const stateAt = async ({ landing }: Collector) =>
  (await landing.aliases()).find(({ alias }) => alias === 'a');

test('a site is disabled, enabled and removed at a collector that does not serve it', async () => {
  const { owner, other } = await two();
  await other.forwarded.admin.disable('a');
  expect((await owner.landing.load('a'))?.disabled).toBe(true);
  expect(owner.heard.others).toEqual(['disabled a']);
  await expect.poll(async () => (await stateAt(other))?.disabled).toBe(true);
  await other.forwarded.admin.enable('a');
  expect((await owner.landing.load('a'))?.disabled).toBe(false);
  await other.forwarded.admin.adopt('a');
  expect((await owner.landing.load('a'))?.adoptAllowed).toBe(true);
  await other.forwarded.admin.remove('a');
  expect(await owner.landing.load('a')).toBeUndefined();
  await expect.poll(() => stateAt(other)).toBeUndefined();
  expect(await other.landing.registry('asked/')).toEqual([]);
});

test('at the collector that serves it nothing is asked for', async () => {
  const { owner } = await two();
  await owner.forwarded.admin.disable('a');
  expect((await owner.landing.load('a'))?.disabled).toBe(true);
  expect(await owner.landing.registry('asked/')).toEqual([]);
});

test('what cannot be done is told where it was asked for', async () => {
  const { owner, other } = await two();
  await owner.forwarded.admin.remove('a');
  await expect(other.forwarded.admin.disable('a')).rejects.toThrow(/"a" never said hello here/);
  expect(await other.landing.registry('asked/')).toEqual([]);
});

test('where the site is being taken over it waits, and is done by who comes', async () => {
  const { owner, other } = await two();
  owner.forwarded.close();
  await owner.landing.close();
  open.splice(open.indexOf(owner), 1);
  await other.forwarded.admin.disable('a');
  await expect.poll(async () => (await stateAt(other))?.disabled).toBe(true);
});
