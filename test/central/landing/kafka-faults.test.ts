import { describe, expect, test } from 'vitest';
import { shardOf } from '#central/landing/kafka-names.ts';
import { groupOwners, soleOwner } from '#central/landing/kafka-owners.ts';
import type { LandingError } from '#central/landing/landing.ts';
import { KafkaError, type KafkaErrorCode } from '#shared/kafka/kafka.ts';
import { systemClock } from '#shared/std/clock.ts';
import { readAll } from '../../contract/landing-dump.ts';
import { Site } from '../../contract/landing-site.ts';
import { type KafkaStep, MemoryCluster } from '../../sim/memory-kafka.ts';
import { chaos, collector, Moves, sequences } from './kafka-chaos.ts';

const errorOf = (
  cluster: MemoryCluster,
  step: KafkaStep,
  when: 'before' | 'after',
  times: number,
) => {
  let left = times;
  return (code: KafkaErrorCode) => {
    cluster.fault = (at, moment) => {
      if (at !== step || moment !== when || left <= 0) return;
      left -= 1;
      throw new KafkaError(code, `${step} fails`);
    };
  };
};

describe('a transaction that fails', () => {
  for (const [step, when, code] of [
    ['send', 'before', 'unavailable'],
    ['send', 'after', 'unavailable'],
    ['send', 'after', 'fatal'],
    ['commit', 'before', 'uncertain'],
    ['commit', 'after', 'uncertain'],
    ['commit', 'before', 'unavailable'],
  ] as const) {
    test(`is whole or not there, and tried again: ${code} ${when} ${step}`, async () => {
      const cluster = new MemoryCluster();
      const landing = await collector(cluster);
      const site = new Site('factory-a');
      await landing.commit([site.hello(1)]);
      await landing.commit([site.write(2, { segments: [site.segment(3)] })]);
      errorOf(cluster, step, when, 2)(code);
      const [landed] = await landing.commit([
        site.write(3, { segments: [site.segment(2)], losses: [site.loss(1)] }),
      ]);
      expect(landed?.checkpoints).toMatchObject([{ through: 5, landedRecords: 5, lostRecords: 1 }]);
      expect(await sequences(landing, 'factory-a.readings')).toEqual([0, 1, 2, 3, 4]);
      expect(await sequences(landing, 'readings')).toEqual([0, 1, 2, 3, 4]);
      expect(await landing.load('factory-a')).toMatchObject({ checkpoints: landed?.checkpoints });
    });
  }

  test('since somebody deleted its topic makes the topic again, and lands', async () => {
    const cluster = new MemoryCluster();
    const landing = await collector(cluster);
    const site = new Site('factory-a');
    await landing.commit([site.hello(1)]);
    await landing.commit([site.write(2, { segments: [site.segment(3)] })]);
    cluster.topics.delete('readings');
    await landing.commit([site.write(3, { segments: [site.segment(2)] })]);
    expect(await sequences(landing, 'factory-a.readings')).toEqual([0, 1, 2, 3, 4]);
    expect(await sequences(landing, 'readings')).toEqual([3, 4]);
  });

  test('is told as unavailable when its time is over, and nothing of it is there', async () => {
    const cluster = new MemoryCluster();
    const landing = await collector(cluster, soleOwner, { commitTimeoutMs: 50 });
    const site = new Site('factory-a');
    await landing.commit([site.hello(1)]);
    errorOf(cluster, 'send', 'before', 1000)('unavailable');
    const segment = site.segment(3);
    const write = site.write(2, { segments: [segment] });
    await expect(landing.commit([write])).rejects.toMatchObject({ code: 'unavailable' });
    cluster.fault = () => {};
    await landing.commit([write]);
    expect(await sequences(landing, 'readings')).toEqual([0, 1, 2]);
  });
});

describe('what one topic does not take', () => {
  test('is refused alone; the commits beside it land', async () => {
    const cluster = new MemoryCluster();
    cluster.create({
      ...{ topic: 'images', partitions: 1, replicationFactor: 1 },
      configs: { 'max.message.bytes': '1000' },
    });
    const landing = await collector(cluster);
    const sites = ['a', 'b', 'c'].map((name) => new Site(name));
    for (const site of sites) await landing.commit([site.hello(1)]);
    const outcomes = await Promise.allSettled(
      sites.map((site, i) => {
        const topic = i === 1 ? 'images' : 'readings';
        const segments = [site.segment(3, { topic, valueBytes: 5_000 })];
        return landing.commit([site.write(2, { segments })]);
      }),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    const { reason } = outcomes[1] as PromiseRejectedResult;
    const at = { topic: 'images', partition: 0 };
    expect(reason).toMatchObject({ name: 'LandingError', code: 'refused', at });
    expect((reason as LandingError).message).toContain('images');
    expect(await readAll(landing, 'readings', 0)).toHaveLength(6);
  });

  test('a backlog older than the retention of an existing topic is held back, and said why', async () => {
    const cluster = new MemoryCluster();
    cluster.create({
      ...{ topic: 'readings', partitions: 1, replicationFactor: 1 },
      configs: { 'retention.ms': '3600000', 'cleanup.policy': 'delete' },
    });
    const landing = await collector(cluster);
    const site = new Site('factory-a');
    await landing.commit([site.hello(1)]);
    const write = site.write(2, { segments: [site.segment(1)] });
    const error = await landing.commit([write]).catch((reason: LandingError) => reason);
    expect(error).toMatchObject({ code: 'refused' });
    expect((error as LandingError).message).toMatch(/held back.*retention\.ms = 3600000/);
  });

  test("an existing topic with too few partitions is not grown behind its owner's back", async () => {
    const cluster = new MemoryCluster();
    cluster.create({ topic: 'readings', partitions: 1, replicationFactor: 1, configs: {} });
    const landing = await collector(cluster);
    const site = new Site('factory-a');
    await landing.commit([site.hello(1)]);
    const segments = [site.segment(1, { partition: 2, partitionCount: 3 })];
    const error = await landing.commit([site.write(2, { segments })]).catch((e: LandingError) => e);
    expect((error as LandingError).message).toContain('kafka-topics --alter --topic readings');
    expect(cluster.topics.get('readings')?.partitions).toHaveLength(1);
  });
});

const shards = 4;

describe('several collectors', () => {
  test('split the sites; each answers for all, and sends strangers to their owner', async () => {
    const cluster = new MemoryCluster();
    const moves = new Moves();
    moves.owners = [0, 1, 0, 1];
    const a = await collector(cluster, moves.join, { shards });
    const b = await collector(cluster, moves.join, { shards });
    expect(a.centralId).toBe(b.centralId);
    const sites = Array.from({ length: 12 }, (_, i) => new Site(`site-${i}`));
    const seen = new Set<string>();
    a.onForeign((alias) => seen.add(alias));
    for (const site of sites) {
      const owner = moves.owners[shardOf(site.alias, shards)] === 0 ? a : b;
      const other = owner === a ? b : a;
      await owner.commit([site.hello(1)]);
      await owner.commit([site.write(2, { segments: [site.segment(2)] })]);
      expect(owner.route(site.alias)).toEqual({ to: 'here' });
      const url = `http://collector-${owner === a ? 0 : 1}`;
      expect(other.route(site.alias)).toEqual({ to: 'other', url });
      const late = other.commit([site.write(3)]);
      await expect(late).rejects.toMatchObject({ code: 'moved' });
    }
    await expect.poll(async () => (await a.checkpoints({})).length).toBe(12);
    await expect.poll(async () => (await b.checkpoints({})).length).toBe(12);
    expect(await a.aliases()).toEqual(await b.aliases());
    expect(seen.size).toBeGreaterThan(0);
    expect(await readAll(a, 'readings', 0)).toHaveLength(24);
  });

  test('an owner that was cut off is fenced before it commits anything', async () => {
    const cluster = new MemoryCluster();
    const moves = new Moves();
    moves.owners = [0];
    const a = await collector(cluster, moves.join);
    const b = await collector(cluster, moves.join);
    const site = new Site('factory-a');
    await a.commit([site.hello(1)]);
    await a.commit([site.write(2, { segments: [site.segment(3)] })]);
    moves.to([1], [0]);
    await expect.poll(() => b.route('factory-a')).toEqual({ to: 'here' });
    const next = site.segment(2);
    const late = a.commit([site.write(3, { segments: [next] })]);
    await expect(late).rejects.toMatchObject({ code: 'moved' });
    expect(await b.load('factory-a')).toMatchObject({ checkpoints: [{ through: 2 }] });
    await b.commit([site.write(4, { segments: [next] })]);
    expect(await sequences(b, 'readings')).toEqual([0, 1, 2, 3, 4]);
  });
});

test('a shard whose producer somebody else was for a moment is served again', async () => {
  const cluster = new MemoryCluster();
  const landing = await collector(cluster, groupOwners, { shards: 2 });
  const site = new Site('factory-a');
  await landing.commit([site.hello(1)]);
  // The coordinator says the same of a transaction that it ended for its age.
  const transactionalId = `tributary-${shardOf('factory-a', 2)}`;
  await cluster.open().producer({ transactionalId, transactionTimeoutMs: 1 }).init();
  const write = site.write(2, { segments: [site.segment(3)] });
  await expect(landing.commit([write])).rejects.toMatchObject({ code: 'moved' });
  await expect.poll(() => landing.route('factory-a')).toEqual({ to: 'here' });
  await landing.commit([write]);
  expect(await sequences(landing, 'readings')).toEqual([0, 1, 2]);
});

test('whoever takes over from a leader that was cut off lands nothing twice', async () => {
  const cluster = new MemoryCluster();
  const moves = new Moves();
  moves.owners = [0];
  const options = { shards: 1 };
  const a = await collector(cluster, moves.join, options);
  const b = await collector(cluster, moves.join, options);
  const site = new Site('factory-a');
  await a.commit([site.hello(1)]);
  await a.commit([site.write(2, { segments: [site.segment(2)] })]);
  const write = site.write(2, { segments: [site.segment(3)] });
  await expect.poll(async () => (await b.checkpoints({}))[0]?.through).toBe(1);
  cluster.cutLeadersOff();
  await a.commit([write]);
  moves.to([1]);
  await expect.poll(() => b.route('factory-a')).toEqual({ to: 'here' });
  expect(await b.load('factory-a')).toMatchObject({ checkpoints: [{ through: 1 }] });
  const again = b.commit([write]);
  again.catch(() => {});
  await systemClock.sleep(200);
  cluster.heal();
  await expect(again).rejects.toMatchObject({ code: 'refused' });
  expect(await sequences(b, 'readings')).toEqual([0, 1, 2, 3, 4]);
});

test('whatever fails whenever, every record lands once and in order (a few seeds)', async () => {
  for (const seed of [1, 2]) await expect(chaos(seed), `seed ${seed}`).resolves.toBeUndefined();
});
