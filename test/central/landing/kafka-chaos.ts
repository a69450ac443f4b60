import { afterEach, expect } from 'vitest';
import { openKafkaLanding } from '#central/landing/kafka.ts';
import type { KafkaLanding } from '#central/landing/kafka-landing.ts';
import { type Owners, type OwnersOptions, soleOwner } from '#central/landing/kafka-owners.ts';
import type { AliasWrite } from '#central/landing/landing.ts';
import { KafkaError } from '#shared/kafka/kafka.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { readAll, sequenceOf } from '../../contract/landing-dump.ts';
import { Site } from '../../contract/landing-site.ts';
import { MemoryCluster } from '../../sim/memory-kafka.ts';
import { Random } from '../../sim/random.ts';
import { kafkaOptions } from './kafka-options.ts';

const open: KafkaLanding[] = [];
afterEach(async () => {
  for (const landing of open.splice(0)) await landing.abandon();
});

export async function collector(
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

export const sequences = async (landing: KafkaLanding, topic: string) =>
  (await readAll(landing, topic, 0)).map(sequenceOf);

/** Owners that a test moves: `mine[i]` are the shards of the i-th collector. */
export class Moves {
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

/** Two collectors, shards that move, calls that fail before or after they were done. */
export async function chaos(seed: number): Promise<void> {
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
