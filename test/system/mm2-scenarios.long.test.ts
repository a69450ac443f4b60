import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { decodeGroupCheckpoint, type GroupCheckpoint } from '#shared/wire/mm2-checkpoint.ts';
import { javaWrite } from '../kafka/clients.ts';
import { kafkaMissing, kcatMissing } from '../kafka/missing.ts';
import { Random } from '../sim/random.ts';
import { assertAccounts, drained, edgeOf } from './api.ts';
import { Chaos } from './faults.ts';
import { assertEachOnce, type Told } from './kafka-records.ts';
import { Link } from './link.ts';
import { seedOf } from './main-job.ts';
import {
  type Cluster,
  createTopic,
  type GroupAnswer,
  MirrorSites,
  numbered,
  openCluster,
  produce,
  readTopic,
  valuesOf,
} from './mirror-sites.ts';
import { House } from './programs.ts';

/** The scenarios that take longer; the quick ones are in the slow part. */
describe.skipIf(kafkaMissing ?? kcatMissing)('a site with its own Kafka', () => {
  let sites: MirrorSites;
  beforeAll(async () => {
    const more = `[[flow]]\ninto = "all-readings"\nfrom = ["*.readings"]`;
    sites = await MirrorSites.open(more);
  });
  afterAll(() => sites?.close());

  test('has its groups follow: exactly, however far behind, over restarts, back only where told', async () => {
    const topic = 'ledger';
    await createTopic(sites.site, topic, 3);
    await writeLedger(sites.site.bootstrap, topic);
    const reader = (offsets: readonly number[]) =>
      sites.site.kafka.admin.setGroupOffsets(
        'reader',
        offsets.map((offset, partition) => ({ topic, partition, offset, metadata: 'm' })),
      );
    await reader([150, 100, 0]);
    await sites.site.kafka.admin.setGroupOffsets('far', [
      { topic, partition: 0, offset: 5, metadata: '' },
    ]);
    const house = new House();
    const edge = sites.edge(house, 'bank', { topics: [topic] });
    await edge.start();
    await sites.landed(`bank.${topic}`, 300);
    const told = async (offset: number) => {
      await settled(sites, 'bank', 'reader', offset);
      const groups = await sites.groups('bank');
      for (const group of groups) if (group.remote) await assertGoesOn(sites, group);
      return groups;
    };
    const groups = await told(150);
    expect(groups.map(({ group, partition }) => `${group}/${partition}`).sort()).toEqual(
      ['far/0', 'reader/0', 'reader/1', 'reader/2'].sort(),
    );
    // Of the empty partition nothing has landed: nothing is said of it, and nothing is made up.
    expect(groups.find(({ partition }) => partition === 2)!.remote).toBeNull();
    const checkpoints = () => checkpointsOf(sites, 'bank', 'reader', `bank.${topic}`);
    await expect.poll(async () => [...(await checkpoints()).keys()].sort()).toEqual([0, 1]);

    await reader([180, 100, 0]);
    await told(180);
    await Promise.all([edge.kill(), sites.collector.stop()]);
    await sites.collector.start();
    const again = sites.edge(house, 'bank', { topics: [topic] });
    await again.start();
    await reader([190, 100, 0]);
    await told(190);
    const newest = async () => (await checkpoints()).get(0)!.at(-1)!;
    await expect
      .poll(async () => (await newest()).upstreamOffset, { timeout: 20_000, interval: 200 })
      .toBe(190);
    const forward = (await checkpoints()).get(0)!.map(({ offset }) => offset);
    expect(forward).toEqual([...forward].sort((a, b) => a - b));
    const followed = forward.at(-1);
    const atCentral = () => positionAtCentral(sites, 'reader', `bank.${topic}`);
    await expect.poll(atCentral, { timeout: 20_000, interval: 200 }).toBe(followed);

    // Put back by hand at the site: its checkpoint goes back with it, the group at central does not.
    await reader([20, 100, 0]);
    await told(20);
    await expect
      .poll(async () => (await newest()).upstreamOffset, { timeout: 20_000, interval: 200 })
      .toBe(20);
    expect(await atCentral()).toBe(followed);
  }, 180_000);

  test('may compact its topics: what is left lands, tombstones too, and groups go on exactly', async () => {
    const topic = 'latest-state';
    await createTopic(sites.site, topic, 1, {
      ...{ 'cleanup.policy': 'compact', 'segment.ms': '100', 'min.cleanable.dirty.ratio': '0.001' },
      'delete.retention.ms': '600000',
    });
    const keys = ['a', 'b', 'c'];
    for (let round = 0; round < 5; round++) {
      for (const key of keys)
        await produce(sites.site, topic, key, numbered(key, 10 * round, 10 * round + 10));
      await sleep(120);
    }
    await javaWrite(sites.site.bootstrap, [
      { topic, key: 'b', value: null },
      { topic, key: 'last', value: 'last' },
    ]);
    const left = async () => valuesOf(await readTopic(sites.site.kafka, topic));
    // The newest segment is never cleaned.
    await expect
      .poll(async () => (await left()).length, { timeout: 60_000, interval: 200 })
      .toBeLessThan(15);
    const source = await readTopic(sites.site.kafka, topic);
    const end = source.at(-1)!.offset + 1;
    const groups = source.flatMap(({ offset }) => [offset, offset + 1]);
    await Promise.all(
      [0, ...groups, end].map((offset) =>
        sites.site.kafka.admin.setGroupOffsets(`at-${offset}`, [
          { topic, partition: 0, offset, metadata: '' },
        ]),
      ),
    );
    const edge = sites.edge(new House(), 'shop', { topics: [topic] });
    await edge.start();
    const landed = valuesOf(await sites.landed(`shop.${topic}`, source.length));
    expect(landed).toEqual(valuesOf(source));
    expect(landed).toContain(null);
    await settled(sites, 'shop', `at-${end}`, end);
    for (const group of await sites.groups('shop')) await assertGoesOn(sites, group);
  }, 120_000);

  test('on a slow link is behind, says so, and lacks nothing', async () => {
    const topic = 'heavy';
    await createTopic(sites.site, topic);
    await javaWrite(sites.site.bootstrap, [{ do: 'generate', topic, count: 4_000, bytes: 300 }]);
    const link = await Link.open(() => sites.collector.ready.link!);
    link.bytesPerSecond = 100_000;
    const edge = sites.edge(new House(), 'remote', { topics: [topic], link: link.url });
    await edge.start();
    await expect
      .poll(async () => (await edgeOf(sites.collector, 'remote')).lag.records, { timeout: 20_000 })
      .toBeGreaterThan(1_000);
    await expect
      .poll(async () => (await edgeOf(sites.collector, 'remote')).lag.seconds, { timeout: 20_000 })
      .toBeGreaterThan(3);
    const landed = await sites.landed(`remote.${topic}`, 4_000, 90_000);
    expect(valuesOf(landed)).toEqual(valuesOf(await readTopic(sites.site.kafka, topic)));
    await drained(sites.collector, edge, 'remote');
    await assertAccounts(sites.collector, edge, 'remote');
  }, 150_000);

  test('and others merge, each record once and in order, whatever is cut and killed', async () => {
    const seed = seedOf();
    const random = new Random(seed);
    const clusters: Cluster[] = [sites.site, await openCluster(), await openCluster()];
    for (const cluster of clusters.slice(1)) onTestFinished(cluster.close);
    const house = new House();
    const over = new AbortController();
    onTestFinished(() => over.abort());
    const chaos = new Chaos(random, over.signal);
    const published = new Map<string, Told>();
    const edges = await Promise.all(
      clusters.map(async (cluster, i) => {
        await createTopic(cluster, 'readings', 2);
        const link = await Link.open(() => sites.collector.ready.link!);
        const alias = `plant-${i}`;
        const options = { topics: ['readings'], link: link.url, brokers: cluster.bootstrap };
        const edge = sites.edge(house, alias, options);
        await edge.start();
        return { alias, edge, link, cluster };
      }),
    );
    const faults = [
      ...edges.flatMap(({ alias, edge, link }) => [
        chaos.killer(edge, [3_000, 9_000]),
        chaos.cutter(link, alias),
      ]),
      chaos.killer(sites.collector, [5_000, 12_000]),
    ];
    const until = Date.now() + 30_000;
    const load = edges.map(async ({ alias, cluster }) => {
      for (let n = 0; Date.now() < until; n++) {
        const key = `${alias}/k${n % 6}`;
        const told = published.get(key) ?? { alias, count: 0 };
        published.set(key, told);
        const next = told.count + random.between(1, 60);
        await produce(cluster, 'readings', key, numbered(key, told.count, next), n % 2);
        told.count = next;
      }
    });
    await Promise.all(load);
    over.abort();
    await Promise.all(faults);
    console.log(`seed ${seed}; ${JSON.stringify(chaos.counts)}`);
    for (const { alias, edge } of edges) {
      await drained(sites.collector, edge, alias, 90_000);
      const own = new Map([...published].filter(([, told]) => told.alias === alias));
      await assertEachOnce(sites.central.bootstrap, `${alias}.readings`, own);
      await assertAccounts(sites.collector, edge, alias);
    }
    const merged = await assertEachOnce(sites.central.bootstrap, 'all-readings', published);
    console.log(`${merged} records of ${published.size} keys`);
  }, 240_000);

  test("can have none of MirrorMaker 2's topics at central, where nobody reads them", async () => {
    const topic = 'plain';
    await createTopic(sites.site, topic);
    await produce(sites.site, topic, 'k', numbered('k', 0, 10));
    await sites.site.kafka.admin.setGroupOffsets('reader', [
      { topic, partition: 0, offset: 5, metadata: '' },
    ]);
    const house = new House();
    const landingMore = 'replication_factor = 1\nheartbeats = false\ncheckpoints = false';
    const cluster = await openCluster();
    onTestFinished(cluster.close);
    const central = house.central({ kafka: cluster.bootstrap, landingMore });
    await central.start();
    const edge = sites.edge(house, 'quiet', { topics: [topic], link: central.ready.link! });
    await edge.start();
    await drained(central, edge, 'quiet');
    const groups = `${central.ready.status}/api/v1/groups?alias=quiet`;
    await expect
      .poll(async () => JSON.stringify(await (await fetch(groups)).json()), { timeout: 20_000 })
      .toContain('"exact":true');
    const names = (await cluster.kafka.admin.topics()).map((one) => one.topic);
    expect(
      names.filter((name) => !name.startsWith('tributary.') && !name.startsWith('__')),
    ).toEqual([`quiet.${topic}`]);
  }, 60_000);
});

/** Partition 0 with transactions' markers and aborted records, 1 plain, 2 empty; 300 to be seen. */
async function writeLedger(bootstrap: string, topic: string): Promise<void> {
  const some = (count: number, seed: number) =>
    ({ do: 'generate', topic, partition: 0, count, bytes: 30, seed }) as const;
  await javaWrite(
    bootstrap,
    [0, 1, 2, 3].flatMap((round) => [
      { do: 'begin' } as const,
      some(50, round),
      { do: 'commit' } as const,
      { do: 'begin' } as const,
      some(7, 99),
      { do: 'abort' } as const,
    ]),
    { 'transactional.id': `${topic}-of-the-site` },
  );
  await javaWrite(bootstrap, [{ do: 'generate', topic, partition: 1, count: 100, bytes: 30 }]);
}

/** Waits until central knows this position of the group, and has all that is before it. */
async function settled(sites: MirrorSites, alias: string, group: string, offset: number) {
  await expect
    .poll(
      async () => {
        const groups = await sites.groups(alias);
        const found = groups.find((one) => one.group === group && one.partition === 0);
        return found && { at: found.sourceOffset, exact: found.remote?.exact };
      },
      { timeout: 40_000, interval: 200 },
    )
    .toEqual({ at: offset, exact: true });
}

/** From where it goes on at central it reads what it would have read at the site. */
async function assertGoesOn(sites: MirrorSites, group: GroupAnswer): Promise<void> {
  const { topic, partition, sourceOffset, remote } = group;
  const rest = async (cluster: Cluster, name: string, offset: number) => {
    const all = await readTopic(cluster.kafka, name, new Map([[partition, offset]]), partition);
    return valuesOf(all);
  };
  const here = await rest(sites.central, remote!.topic, remote!.offset);
  const there = await rest(sites.site, topic, sourceOffset);
  expect(here, `${group.group} at ${sourceOffset}`).toEqual(there);
}

/** Of each partition, all that were ever written, oldest first. */
async function checkpointsOf(sites: MirrorSites, alias: string, group: string, topic: string) {
  const records = await readTopic(sites.central.kafka, `${alias}.checkpoints.internal`);
  const byPartition = new Map<number, GroupCheckpoint[]>();
  for (const { key, value } of records) {
    const found = decodeGroupCheckpoint({ key: key!, value: value! });
    if (found.group !== group || found.topic !== topic) continue;
    byPartition.set(found.partition, [...(byPartition.get(found.partition) ?? []), found]);
  }
  return byPartition;
}

async function positionAtCentral(sites: MirrorSites, group: string, topic: string) {
  const offsets = await sites.central.kafka.admin.groupOffsets(group);
  return offsets.find((one) => one.topic === topic && one.partition === 0)?.offset;
}
