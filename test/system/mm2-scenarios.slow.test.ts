import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { javaRead, javaWrite, type ReadRecord, type WriteRecord } from '../kafka/clients.ts';
import { kafkaMissing, kcatMissing } from '../kafka/missing.ts';
import { assertAccounts, drained, lossesOf } from './api.ts';
import {
  createTopic,
  kafkaStateOf,
  MirrorSites,
  numbered,
  produce,
  readTopic,
  valuesOf,
} from './mirror-sites.ts';
import { House } from './programs.ts';

/** A few seconds each on a machine of their own. */
vi.setConfig({ testTimeout: 90_000 });

/**
 * What MirrorMaker 2's own integration suite shows of it, and what that suite lacks, shown of us: real
 * agents and a real central between two real Kafkas. What needs longer is in the long part.
 */
describe.skipIf(kafkaMissing ?? kcatMissing)('a site with its own Kafka', () => {
  let sites: MirrorSites;
  beforeAll(async () => {
    sites = await MirrorSites.open();
  });
  afterAll(() => sites?.close());

  test('has each record at central as it is: keys, nulls, headers, times of wrong clocks', async () => {
    const topic = 'as-it-is';
    await createTopic(sites.site, topic, 2, { 'retention.ms': '-1' });
    await javaWrite(sites.site.bootstrap, oddRecords(topic), { 'compression.type': 'zstd' });
    const edge = sites.edge(new House(), 'factory-a', { topics: [topic] });
    await edge.start();
    await sites.landed(`factory-a.${topic}`, 9);
    const [there, here] = await Promise.all([
      javaRead(sites.site.bootstrap, { topics: [topic] }),
      javaRead(sites.central.bootstrap, { topics: [`factory-a.${topic}`] }),
    ]);
    expect(inOrder(here)).toEqual(inOrder(there));
  });

  test('has its topics, and those and the partitions that come later, and gets nothing from us', async () => {
    const before = await topicsOf(sites.site.kafka);
    await createTopic(sites.site, 'lines-1', 3);
    await produce(sites.site, 'lines-1', 'k', numbered('k', 0, 50), 2);
    const edge = sites.edge(new House(), 'factory-b', { topics: ['lines-.*'] });
    await edge.start();
    await sites.landed('factory-b.lines-1', 50);
    await createTopic(sites.site, 'lines-2');
    await produce(sites.site, 'lines-2', 'k', numbered('k', 0, 20));
    await sites.landed('factory-b.lines-2', 20);
    await sites.site.kafka.admin.growTopic('lines-1', 5);
    await produce(sites.site, 'lines-1', 'late', numbered('late', 0, 10), 4);
    const records = await sites.landed('factory-b.lines-1', 60);
    expect(valuesOf(records)).toEqual([...numbered('k', 0, 50), ...numbered('late', 0, 10)]);
    expect(await partitionsOf(sites.central.kafka, 'factory-b.lines-1')).toBe(5);
    const after = await topicsOf(sites.site.kafka);
    expect(after.sort()).toEqual([...before, 'lines-1', 'lines-2'].sort());
  });

  test('has what its transactions committed, and nothing of the others', async () => {
    const topic = 'payments';
    const value = (n: number) => ({ topic, key: 'p', value: `p:${n}` });
    await javaWrite(
      sites.site.bootstrap,
      [
        { do: 'create', topic },
        ...[0, 1].flatMap((round) => [
          { do: 'begin' } as const,
          ...Array.from({ length: 20 }, (_, i) => value(round * 20 + i)),
          { do: 'commit' } as const,
          { do: 'begin' } as const,
          ...Array.from({ length: 7 }, () => value(-1)),
          { do: 'abort' } as const,
        ]),
      ],
      { 'transactional.id': 'payments-of-the-site' },
    );
    const edge = sites.edge(new House(), 'bank', { topics: [topic] });
    await edge.start();
    expect(valuesOf(await sites.landed(`bank.${topic}`, 40))).toEqual(numbered('p', 0, 40));
  });

  test('begins where it was told to: at the end, or behind what somebody else has carried', async () => {
    const topic = 'from-here';
    await createTopic(sites.site, topic);
    await produce(sites.site, topic, 'k', numbered('k', 0, 100));
    const house = new House();
    const latest = sites.edge(house, 'late', { topics: [topic], source: 'start = "latest"' });
    const offsets = `${house.folder}/offsets.ndjson`;
    writeFileSync(offsets, `{"topic":"${topic}","partition":0,"next":60}\n`);
    const source = `start_offsets_file = "${offsets}"`;
    const behind = sites.edge(house, 'behind', { topics: [topic], source });
    await Promise.all([latest.start(), behind.start()]);
    await expect.poll(async () => (await kafkaStateOf(latest)).state).toBe('running');
    await produce(sites.site, topic, 'k', numbered('k', 100, 110));
    expect(valuesOf(await sites.landed(`late.${topic}`, 10))).toEqual(numbered('k', 100, 110));
    expect(valuesOf(await sites.landed(`behind.${topic}`, 50))).toEqual(numbered('k', 60, 110));
    for (const edge of [latest, behind]) {
      await edge.stop();
      await edge.start();
    }
    await produce(sites.site, topic, 'k', numbered('k', 110, 115));
    await sites.landed(`late.${topic}`, 15);
    await sites.landed(`behind.${topic}`, 55);
  });

  test('tells what its retention took before we came: a gap is a loss, never silence', async () => {
    const topic = 'short-lived';
    await createTopic(sites.site, topic);
    await produce(sites.site, topic, 'k', numbered('k', 0, 100));
    const edge = sites.edge(new House(), 'forgetful', { topics: [topic] });
    await edge.start();
    await sites.landed(`forgetful.${topic}`, 100);
    await edge.stop();
    await produce(sites.site, topic, 'k', numbered('k', 100, 200));
    await sites.site.kafka.admin.deleteRecords([{ topic, partition: 0, offset: 150 }]);
    await edge.start();
    const landed = valuesOf(await sites.landed(`forgetful.${topic}`, 150));
    expect(landed).toEqual([...numbered('k', 0, 100), ...numbered('k', 150, 200)]);
    await drained(sites.collector, edge, 'forgetful');
    const losses = (await lossesOf(sites.collector)).filter(({ alias }) => alias === 'forgetful');
    expect(losses).toMatchObject([{ scope: 'source', records: 50 }]);
    expect(losses[0]!.detail).toContain('offsets 100 to 149');
    await assertAccounts(sites.collector, edge, 'forgetful');
  });

  test('may delete a topic and make it anew: all of both lives lands, or it halts and says so', async () => {
    const topic = 'two-lives';
    await createTopic(sites.site, topic);
    await produce(sites.site, topic, 'k', numbered('old', 0, 30));
    const house = new House();
    const appends = sites.edge(house, 'appends', { topics: [topic] });
    const source = 'on_recreate = "halt"';
    const halts = sites.edge(house, 'halts', { topics: [topic], source });
    for (const edge of [appends, halts]) {
      await edge.start();
      await sites.landed(`${edge.name}.${topic}`, 30);
      await edge.stop();
    }
    await sites.site.kafka.admin.deleteTopic(topic);
    await createTopic(sites.site, topic);
    // Longer than the old one: by its offsets alone it looks as if 30 records had been carried.
    await produce(sites.site, topic, 'k', numbered('new', 0, 40));
    await Promise.all([appends.start(), halts.start()]);
    const landed = valuesOf(await sites.landed(`appends.${topic}`, 70));
    expect(landed).toEqual([...numbered('old', 0, 30), ...numbered('new', 0, 40)]);
    expect((await kafkaStateOf(appends)).detail).toContain('anew');
    await expect
      .poll(() => kafkaStateOf(halts))
      .toMatchObject({ state: 'degraded', detail: expect.stringContaining('anew') });
    expect(await readTopic(sites.central.kafka, `halts.${topic}`)).toHaveLength(30);
  });

  test('whose gateway is put back to an older state, or replaced, goes on where central has it', async () => {
    const topic = 'orders';
    await createTopic(sites.site, topic);
    let written = 0;
    const write = async (count: number) => {
      await produce(sites.site, topic, 'k', numbered('k', written, written + count));
      written += count;
    };
    const arrived = () => sites.landed(`again.${topic}`, written);
    const house = new House();
    const edge = sites.edge(house, 'again', { topics: [topic] });
    await write(100);
    await edge.start();
    await arrived();
    await edge.stop();
    const [state, backup] = [house.stateOf('again'), `${house.folder}/backup`];
    cpSync(state, backup, { recursive: true });
    await edge.start();
    await write(200);
    await arrived();
    await edge.kill();
    // It reads what central has not before it is told what central has.
    await write(50);
    rmSync(state, { recursive: true });
    cpSync(backup, state, { recursive: true });
    await edge.start();
    await arrived();
    await edge.kill();
    await write(50);
    const fresh = sites.edge(new House(), 'again', { topics: [topic], source: 'start = "latest"' });
    await fresh.start();
    await arrived();
    await write(1);
    expect(valuesOf(await arrived())).toEqual(numbered('k', 0, 401));
    const [at] = await sites.site.kafka.admin.offsets([{ topic, partition: 0 }], 'latest');
    expect(at).toBe(401);
    await sites.site.kafka.admin.setGroupOffsets('reader', [
      { topic, partition: 0, offset: 250, metadata: '' },
    ]);
    await sites.groupsAre('again', [{ group: 'reader', sourceOffset: 250 }]);
    const [group] = await sites.groups('again');
    const [next] = await readTopic(
      sites.central.kafka,
      `again.${topic}`,
      new Map([[0, group!.remote!.offset]]),
    );
    expect(group!.remote!.exact).toBe(true);
    expect(String(next!.value)).toBe('k:250');
    const losses = await lossesOf(sites.collector);
    expect(losses.filter(({ alias }) => alias === 'again')).toEqual([]);
  });

  test('whose Kafka is down at start keeps no other waiting, and comes when it is up', async () => {
    const topic = 'up-and-down';
    await Promise.all([createTopic(sites.site, topic), createTopic(sites.central, 'elsewhere')]);
    await produce(sites.site, topic, 'k', numbered('k', 0, 10));
    await sites.site.nodes.broker(1).stop();
    const house = new House();
    const dark = sites.edge(house, 'dark', { topics: [topic] });
    const bright = sites.edge(house, 'bright', {
      ...{ topics: ['elsewhere'], brokers: sites.central.bootstrap },
    });
    await Promise.all([dark.start(), bright.start()]);
    await produce(sites.central, 'elsewhere', 'k', numbered('k', 0, 10));
    await sites.landed('bright.elsewhere', 10);
    await expect
      .poll(() => kafkaStateOf(dark))
      .toMatchObject({ state: 'degraded', detail: expect.stringContaining('do not answer') });
    await sites.site.nodes.broker(1).start();
    await sites.landed(`dark.${topic}`, 10);
    await expect.poll(async () => (await kafkaStateOf(dark)).state).toBe('running');
  });
});

/** All that a record can be; times of clocks that are weeks behind and hours ahead. */
function oddRecords(topic: string): WriteRecord[] {
  const hour = 3_600_000;
  const binary = Buffer.from([0, 255, 1, 254]);
  return [
    { topic, partition: 0, key: 'k', value: 'plain' },
    { topic, partition: 0, key: null, value: 'no key' },
    { topic, partition: 0, key: 'gone', value: null },
    { topic, partition: 0, key: null, value: null },
    { topic, partition: 0, key: '', value: '' },
    { topic, partition: 1, key: binary, value: binary },
    {
      ...{ topic, partition: 1, key: 'h', value: 'headers' },
      headers: [
        ['b', '1'],
        ['a', null],
        ['b', '2'],
        ['1', binary],
        ['b', ''],
      ],
    },
    { topic, partition: 1, key: 't', value: 'behind', timestamp: Date.now() - 20 * 24 * hour },
    { topic, partition: 1, key: 't', value: 'ahead', timestamp: Date.now() + 3 * hour },
  ];
}

/** What has to be the same at both ends. */
const inOrder = (records: readonly ReadRecord[]) =>
  records
    .map(({ topic: _topic, offset: _offset, headers, ...rest }) => ({
      ...rest,
      headers: headers.filter(([name]) => !name.startsWith('tributary.')),
    }))
    .sort((a, b) => a.partition - b.partition);

const topicsOf = async (kafka: MirrorSites['site']['kafka']): Promise<string[]> =>
  (await kafka.admin.topics()).map(({ topic }) => topic);

const partitionsOf = async (kafka: MirrorSites['site']['kafka'], topic: string): Promise<number> =>
  (await kafka.admin.topics([topic]))[0]!.partitions.length;
