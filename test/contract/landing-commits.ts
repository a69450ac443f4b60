import { describe, expect, test } from 'vitest';
import type { SourceRun } from '#shared/wire/frame.ts';
import type { LandingBench } from './landing-bench.ts';
import { readAll, sequenceOf } from './landing-dump.ts';
import { e1, Site } from './landing-site.ts';

export function describeCommits(bench: LandingBench): void {
  describe('what is committed', () => {
    test('a new landing knows nobody and keeps its central id', async () => {
      const { centralId } = bench.landing;
      expect(centralId).toMatch(/^[0-9a-f]{32}$/);
      expect(await bench.landing.load('factory-a')).toBeUndefined();
      expect(await bench.landing.aliases()).toEqual([]);
      expect(await bench.landing.topics()).toEqual([]);
      await bench.harness.reopen();
      expect(bench.landing.centralId).toBe(centralId);
      await bench.harness.crash();
      expect(bench.landing.centralId).toBe(centralId);
    });

    test('is read back at once, and after a crash', async () => {
      const site = new Site('factory-a');
      await bench.landing.commit([site.hello(bench.now())]);
      const at = bench.now();
      const [landed] = await bench.landing.commit([
        site.write(at, { segments: [site.segment(3)] }),
      ]);
      const checkpoint = {
        epoch: e1,
        topic: 'readings',
        partition: 0,
        partitionCount: 1,
        through: 2,
        landedRecords: 3,
        lostRecords: 0,
        remoteOffset: 3,
        acceptedAt: 1003,
        landedAt: at,
        session: site.session,
      };
      expect(landed).toMatchObject({ alias: 'factory-a', checkpoints: [checkpoint] });
      for (const _ of ['before', 'after']) {
        expect(await bench.landing.load('factory-a')).toMatchObject({ checkpoints: [checkpoint] });
        expect(
          await bench.landing.checkpoints({ alias: 'factory-a', topic: 'readings' }),
        ).toMatchObject([{ ...checkpoint, alias: 'factory-a', remoteTopic: 'factory-a.readings' }]);
        expect(await bench.landing.aliases()).toMatchObject([{ landedRecords: 3, lostRecords: 0 }]);
        expect(await readAll(bench.landing, 'factory-a.readings', 0)).toHaveLength(3);
        await bench.harness.crash();
      }
    });

    test('says where its newest record with a place stood at its source', async () => {
      const site = new Site('factory-a');
      await bench.landing.commit([site.hello(bench.now())]);
      const land = (runs: SourceRun[]) =>
        bench.landing.commit([
          site.write(bench.now(), { segments: [{ ...site.segment(3), runs }] }),
        ]);
      const place = async () => {
        const [row] = (await bench.landing.load('factory-a'))!.checkpoints;
        return [row!.sourceIncarnation, row!.sourceNext];
      };
      const run = (sequence: number, sourceOffset: number, count: number, life: string) => ({
        ...{ sequence, sourceOffset, count, incarnation: life.repeat(32) },
      });
      await land([]);
      expect(await place()).toEqual([null, null]);
      await land([run(3, 10, 1, '7'), run(4, 20, 2, '7')]);
      await land([]);
      expect(await place()).toEqual(['7'.repeat(32), 22]);
      await bench.harness.crash();
      await land([run(9, 4, 3, '8')]);
      await land([run(12, 90, 3, '0')]);
      expect(await place()).toEqual(['8'.repeat(32), 7]);
    });

    test('comes back byte for byte, whatever is null or strange in a record', async () => {
      const site = new Site('factory-a');
      const records = [
        { key: null, value: null, headers: [], timestamp: 0 },
        { key: Buffer.alloc(0), value: Buffer.from([0, 255, 10]), headers: [], timestamp: 1 },
        {
          key: Buffer.from('k'),
          value: Buffer.from('v'),
          headers: [
            ['b', null],
            ['a', Buffer.from('1')],
            ['a', Buffer.from('2')],
          ] as [string, Buffer | null][],
          timestamp: 8_000_000_000_000,
        },
      ];
      const segment = site.segment(3, { records });
      await bench.landing.commit([
        site.hello(bench.now()),
        site.write(bench.now(), { segments: [segment] }),
      ]);
      for (const topic of ['factory-a.readings', 'readings']) {
        const read = await readAll(bench.landing, topic, 0);
        expect(
          read.map(({ key, value, timestamp, headers }) => ({
            key: key && Buffer.from(key),
            value: value && Buffer.from(value),
            timestamp,
            headers: headers
              .filter(([name]) => !name.startsWith('tributary.'))
              .map(([name, content]) => [name, content && Buffer.from(content)]),
          })),
        ).toEqual(records);
        expect(read.map(sequenceOf)).toEqual([0, 1, 2]);
      }
    });

    test('has one order: segments in the order of the write, in every topic', async () => {
      const [a, b] = [new Site('factory-a'), new Site('factory-b')];
      await bench.landing.commit([a.hello(bench.now()), b.hello(bench.now())]);
      for (let i = 0; i < 4; i++) {
        await bench.landing.commit([
          a.write(bench.now(), { segments: [a.segment(2), a.segment(3, { mergedTopics: [] })] }),
          b.write(bench.now(), { segments: [b.segment(1, { mergedTopics: ['readings', 'all'] })] }),
        ]);
      }
      const remote = await readAll(bench.landing, 'factory-a.readings', 0);
      expect(remote.map(sequenceOf)).toEqual([...Array(20).keys()]);
      expect(await readAll(bench.landing, 'readings', 0)).toHaveLength(12);
      const all = await readAll(bench.landing, 'all', 0);
      expect(all.map((record) => record.value?.toString())).toEqual(
        [0, 1, 2, 3].map((i) => `factory-b/readings/${i}`),
      );
      const offsets = (await readAll(bench.landing, 'readings', 0)).map(({ offset }) => offset);
      expect(offsets).toEqual([...new Set(offsets)].sort((x, y) => x - y));
      if (bench.kind.dense) expect(offsets).toEqual([...Array(12).keys()]);
      const [row] = await bench.landing.checkpoints({ alias: 'factory-b' });
      expect(row?.merged.map(({ topic }) => topic).sort()).toEqual(['all', 'readings']);
      expect(row?.merged.find(({ topic }) => topic === 'all')?.offset).toBe(all.at(-1)!.offset + 1);
    });

    test('sites may have one remote topic: each in its order, once, and each with its place', async () => {
      const [a, b] = [new Site('factory-a'), new Site('factory-b')];
      await bench.landing.commit([a.hello(bench.now()), b.hello(bench.now())]);
      const shared = { remoteTopic: 'readings', mergedTopics: ['all'] };
      for (let i = 0; i < 3; i++) {
        const more = { ...shared, partition: i % 2, partitionCount: 2 };
        await bench.landing.commit([a.write(bench.now(), { segments: [a.segment(2, more)] })]);
        await bench.landing.commit([
          b.write(bench.now(), { segments: [b.segment(3, shared), b.segment(1, shared)] }),
        ]);
        await bench.harness.crash();
      }
      const values = async (topic: string, partition: number) =>
        (await readAll(bench.landing, topic, partition)).map(({ value }) => String(value));
      for (const topic of ['readings', 'all']) {
        const first = await values(topic, 0);
        const own = (alias: string) => first.filter((value) => value.startsWith(alias));
        const upTo = (alias: string, count: number) =>
          Array.from({ length: count }, (_, i) => `${alias}/readings/${i}`);
        expect(own('factory-a')).toEqual(upTo('factory-a', 4));
        expect(own('factory-b')).toEqual(upTo('factory-b', 12));
        expect(await values(topic, 1)).toEqual(upTo('factory-a', 2));
      }
      const rows = await bench.landing.checkpoints({});
      expect(new Set(rows.map(({ remoteTopic }) => remoteTopic))).toEqual(new Set(['readings']));
      expect(await bench.topicRow('readings')).toMatchObject({ kind: 'remote' });
    });

    test('a segment takes consecutive offsets', async () => {
      const site = new Site('factory-a');
      await bench.landing.commit([site.hello(bench.now())]);
      await bench.landing.commit([
        site.write(bench.now(), { segments: [site.segment(100), site.segment(50)] }),
      ]);
      const read = await readAll(bench.landing, 'readings', 0);
      for (const [i, { offset }] of read.entries()) {
        if (i !== 100 && i > 0) expect(offset).toBe(read[i - 1]!.offset + 1);
      }
    });

    test('merged partition is remote partition; a topic has the largest count seen', async () => {
      const [a, b] = [new Site('factory-a'), new Site('factory-b')];
      await bench.landing.commit([a.hello(bench.now()), b.hello(bench.now())]);
      const three = a.segment(2, { partition: 2, partitionCount: 3 });
      const five = b.segment(1, { partition: 4, partitionCount: 5 });
      await bench.landing.commit([a.write(bench.now(), { segments: [three] })]);
      await bench.landing.commit([b.write(bench.now(), { segments: [five] })]);
      expect((await bench.topicRow('factory-a.readings'))?.partitions).toHaveLength(3);
      expect((await bench.topicRow('factory-b.readings'))?.partitions).toHaveLength(5);
      const merged = await bench.topicRow('readings');
      expect(merged).toMatchObject({ kind: 'merged' });
      if (bench.kind.dense) expect(merged?.records).toBe(3);
      expect(merged?.partitions).toHaveLength(5);
      const values = async (partition: number) =>
        (await readAll(bench.landing, 'readings', partition)).map(({ value }) => `${value}`);
      expect(await values(2)).toEqual(['factory-a/readings/0', 'factory-a/readings/1']);
      expect(await values(4)).toEqual(['factory-b/readings/0']);
      expect(await values(0)).toEqual([]);
      expect(await bench.landing.records('readings', 5, 0, 1)).toBeUndefined();
      expect(await bench.landing.records('nowhere', 0, 0, 1)).toBeUndefined();
    });
  });
}
