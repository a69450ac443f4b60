import { expect, test } from 'vitest';
import { LandingError } from '#central/landing/landing.ts';
import { readAll } from '../../contract/landing-dump.ts';
import { Site } from '../../contract/landing-site.ts';
import { Random } from '../../sim/random.ts';
import { seedCount } from '../../sim/seed-count.ts';
import { openInline } from './embedded-harness.ts';

const seeds = seedCount(50, 150);
const firstSeed = Number(process.env.TRIBUTARY_SEED ?? 1);
const hour = 3_600_000;

/** What the landing must hold, kept in the plainest way. */
class Model {
  readonly through = new Map<string, number>();
  readonly lost = new Map<string, number>();
  readonly logs = new Map<string, string[]>();

  /** Lands what `outcome` of the real landing says; the caller has checked that it may. */
  land(site: Site, topic: string, partition: number, first: number, count: number, lost: number) {
    const stream = `${site.alias}/${site.epoch}/${topic}/${partition}`;
    expect(first).toBe((this.through.get(stream) ?? -1) + 1);
    this.through.set(stream, first + count + lost - 1);
    this.lost.set(stream, (this.lost.get(stream) ?? 0) + lost);
    for (const name of [`${site.alias}.${topic}`, topic]) {
      const log = this.logs.get(`${name}/${partition}`) ?? [];
      for (let i = 0; i < count; i++) log.push(`${site.alias}/${topic}/${first + i}`);
      this.logs.set(`${name}/${partition}`, log);
    }
  }
}

test(`random commits, crashes, retention: what a plain model holds (${seeds} seeds)`, async () => {
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    await run(seed).catch((error) => {
      throw new Error(`seed ${seed} (TRIBUTARY_SEED=${seed}): ${error.message}`, { cause: error });
    });
  }
}, 60_000);

async function run(seed: number): Promise<void> {
  const random = new Random(seed);
  const harness = await openInline({ retentionMs: hour });
  const model = new Model();
  const sites = ['a', 'b'].map((alias) => new Site(alias, random.id()));
  await harness.landing.commit(sites.map((site) => site.hello(harness.now(), random.id())));
  for (let op = 0; op < 25; op++) {
    const dice = random.next();
    if (dice < 0.75) await commit(harness, model, random, random.pick(sites));
    else if (dice < 0.85) harness.advance(random.between(1, hour));
    else if (dice < 0.95) await (random.chance(0.5) ? harness.crash() : harness.reopen());
    else await forked(harness, random.pick(sites), random);
  }
  await compare(harness, model);
  await harness.close();
}

type Harness = Awaited<ReturnType<typeof openInline>>;

async function forked(harness: Harness, site: Site, random: Random): Promise<void> {
  await harness.landing.commit([site.hello(harness.now(), random.id(), random.id())]);
}

/** A commit of some streams that may die at any step; a repeat of it, or something refused. */
async function commit(harness: Harness, model: Model, random: Random, site: Site): Promise<void> {
  const parts = Array.from({ length: random.between(1, 4) }, (_, i) => ({
    topic: `t${i % 2}`,
    partition: i >> 1,
    count: random.between(1, 6),
    lost: random.chance(0.3) ? random.between(1, 3) : 0,
  }));
  const planned = parts.map((part) => {
    const { topic, partition, count, lost } = part;
    const stream = `${site.alias}/${site.epoch}/${topic}/${partition}`;
    const first = (model.through.get(stream) ?? -1) + 1;
    const options = { topic, partition, partitionCount: 2 };
    const segment = site.segment(count, { ...options, first });
    const loss = lost > 0 ? [site.loss(lost, { ...options, first: first + count })] : [];
    return { ...part, first, segment, loss };
  });
  const bad = random.chance(0.15);
  if (bad) random.pick(planned).segment.first += random.pick([-1, 1, 7]);
  const write = site.write(harness.now(), {
    segments: planned.map(({ segment }) => segment),
    losses: planned.flatMap(({ loss }) => loss),
  });
  if (random.chance(0.4)) harness.failAt!(random.between(0, 18));
  const code = await harness.landing.commit([write]).then(
    () => 'landed',
    (error) => (error instanceof LandingError ? error.code : expect.unreachable(String(error))),
  );
  harness.failAt!(Number.POSITIVE_INFINITY);
  if (code === 'uncertain') await harness.crash();
  else expect(code).toBe(bad ? 'refused' : 'landed');
  const known = await harness.landing.load(site.alias);
  const moved = planned.filter(({ topic, partition, first, count }) =>
    known?.checkpoints.some(
      (at) =>
        at.epoch === site.epoch &&
        at.topic === topic &&
        at.partition === partition &&
        at.through >= first + count - 1,
    ),
  );
  expect([0, planned.length]).toContain(moved.length);
  if (code === 'landed') expect(moved).toHaveLength(planned.length);
  for (const { topic, partition, first, count, lost } of moved) {
    model.land(site, topic, partition, first, count, lost);
  }
}

async function compare(harness: Harness, model: Model): Promise<void> {
  const { landing } = harness;
  const rows = await landing.checkpoints({});
  const key = (row: (typeof rows)[number]) =>
    `${row.alias}/${row.epoch}/${row.topic}/${row.partition}`;
  expect(new Map(rows.map((row) => [key(row), row.through]))).toEqual(model.through);
  expect(new Map(rows.map((row) => [key(row), row.lostRecords]))).toEqual(model.lost);
  for (const row of rows) expect(row.landedRecords + row.lostRecords).toBe(row.through + 1);
  for (const { topic, kind, partitions } of await landing.topics()) {
    if (kind === 'internal') continue;
    for (const { partition, startOffset, endOffset } of partitions) {
      const log = model.logs.get(`${topic}/${partition}`) ?? [];
      expect(endOffset).toBe(log.length);
      const read = await readAll(landing, topic, partition, 1000);
      expect(read.map(({ value }) => `${value}`)).toEqual(log.slice(startOffset));
    }
  }
}
