import { afterEach, describe, expect, test } from 'vitest';
import { openKafkaLanding } from '#central/landing/kafka.ts';
import type { KafkaLanding } from '#central/landing/kafka-landing.ts';
import { shardOf } from '#central/landing/kafka-names.ts';
import {
  groupOwners,
  type Owners,
  type OwnersOptions,
  soleOwner,
} from '#central/landing/kafka-owners.ts';
import type { AliasWrite, LandingError } from '#central/landing/landing.ts';
import { KafkaError, type KafkaErrorCode } from '#shared/kafka/kafka.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { readAll, sequenceOf } from '../../contract/landing-dump.ts';
import { Site } from '../../contract/landing-site.ts';
import { type KafkaStep, MemoryCluster } from '../../sim/memory-kafka.ts';
import { Random } from '../../sim/random.ts';
import { kafkaOptions } from './kafka-options.ts';

const open: KafkaLanding[] = [];
afterEach(async () => {
  for (const landing of open.splice(0)) await landing.abandon();
});

async function collector(
  cluster: MemoryCluster,
  owners: (options: OwnersOptions) => Owners = soleOwner,
  more: Partial<typeof kafkaOptions> = {},
): Promise<KafkaLanding> {
  const landing = await openKafkaLanding(
    { ...kafkaOptions, ...more },
    { kafka: cluster.open(), clock: systemClock, log: silentLog, owners },
  );
  open.push(landing);
  await landing.serve('http://here');
  return landing;
}

const sequences = async (landing: KafkaLanding, topic: string) =>
  (await readAll(landing, topic, 0)).map(sequenceOf);

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
    expect(reason).toMatchObject({ name: 'LandingError', code: 'refused' });
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

/** Owners that a test moves: `mine[i]` are the shards of the i-th collector. */
class Moves {
  readonly #joined: OwnersOptions[] = [];
  owners: number[] = [];

  readonly join = (options: OwnersOptions): Owners => {
    const index = this.#joined.push(options) - 1;
    queueMicrotask(() => options.onShards(this.#mine(index), options.facts.flows));
    return {
      ownerOf: (shard) => ({
        mine: this.owners[shard] === index,
        linkUrl: `http://collector-${this.owners[shard]}`,
      }),
      contested() {},
      async leave() {},
    };
  };

  #mine(index: number): number[] {
    return this.owners.flatMap((owner, shard) => (owner === index ? [shard] : []));
  }

  /** `silent`: collectors that are not told, as if they were cut off. */
  to(owners: number[], silent: readonly number[] = []): void {
    this.owners = owners;
    for (const [index, { onShards, facts }] of this.#joined.entries()) {
      if (!silent.includes(index)) onShards(this.#mine(index), facts.flows);
    }
  }
}

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

test('whatever fails whenever, every record lands once and in order (seeds)', async () => {
  for (let seed = 1; seed <= 25; seed++) {
    await expect(chaos(seed), `seed ${seed}`).resolves.toBeUndefined();
  }
}, 60_000);

/** Two collectors, shards that move, calls that fail before or after they were done. */
async function chaos(seed: number): Promise<void> {
  const random = new Random(seed);
  const cluster = new MemoryCluster();
  const moves = new Moves();
  moves.owners = [0, 0];
  const options = { shards: 2, commitTimeoutMs: 300 };
  const collectors = [
    await collector(cluster, moves.join, options),
    await collector(cluster, moves.join, options),
  ];
  cluster.fault = (step, when) => {
    if (!random.chance(0.04)) return;
    const lost = step === 'commit' ? 'uncertain' : 'unavailable';
    throw new KafkaError(lost, `${step} ${when} (seed ${seed})`);
  };
  const sites = ['a', 'b', 'c', 'd'].map((name) => new Site(name));
  await Promise.all(sites.map((site) => persist(collectors, site, [site.hello(1)], () => true)));
  const total = 20;
  const traffic = sites.map(async (site) => {
    for (let i = 0; i < total; i++) {
      const segment = site.segment(1 + (i % 3));
      const through = segment.first + segment.count - 1;
      await persist(
        collectors,
        site,
        [site.write(i, { segments: [segment] })],
        (at) => at >= through,
      );
    }
  });
  let done = false;
  const moving = (async () => {
    while (!done) {
      await systemClock.sleep(random.between(5, 30));
      moves.to([random.between(0, 1), random.between(0, 1)], random.chance(0.3) ? [0] : []);
    }
  })();
  await Promise.all(traffic);
  done = true;
  await moving;
  cluster.fault = () => {};
  const [reader] = collectors;
  for (const site of sites) {
    const expected = [...Array(site.segment(1).first).keys()];
    expect(await sequences(reader!, `${site.alias}.readings`)).toEqual(expected);
    const merged = (await readAll(reader!, 'readings', 0)).filter(({ value }) =>
      value?.toString().startsWith(`${site.alias}/`),
    );
    expect(merged.map(sequenceOf)).toEqual(expected);
  }
  for (const landing of collectors) await landing.abandon();
}

/** As an edge does: asks whoever serves it, looks what is there, sends again. */
async function persist(
  collectors: readonly KafkaLanding[],
  { alias }: Site,
  writes: AliasWrite[],
  isThere: (through: number) => boolean,
): Promise<void> {
  for (;;) {
    for (const landing of collectors) {
      try {
        const state = await landing.load(alias);
        if (state && isThere(state.checkpoints[0]?.through ?? -1)) return;
        await landing.commit(writes);
        return;
      } catch (error) {
        if ((error as Error).name !== 'LandingError') throw error;
      }
    }
    await systemClock.sleep(2);
  }
}
