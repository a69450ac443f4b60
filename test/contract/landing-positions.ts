import { describe, expect, test } from 'vitest';
import type { LandingBench } from './landing-bench.ts';
import { readAll, sequenceOf } from './landing-dump.ts';
import { e1, e2, Site } from './landing-site.ts';

export function describeCheckpoints(bench: LandingBench): void {
  describe('checkpoints', () => {
    test('an epoch keeps its position when another comes, and goes on there', async () => {
      const site = new Site('factory-a');
      await bench.landing.commit([site.hello(bench.now())]);
      await bench.landing.commit([site.write(bench.now(), { segments: [site.segment(5)] })]);
      await bench.landing.commit([site.hello(bench.now(), 'factory-a-s2', e2)]);
      await bench.landing.commit([
        site.write(bench.now(), { segments: [site.segment(3), site.segment(2, { epoch: e1 })] }),
      ]);
      const rows = await bench.landing.checkpoints({ alias: 'factory-a' });
      expect(rows.map(({ epoch, through }) => [epoch, through]).sort()).toEqual([
        [e1, 6],
        [e2, 2],
      ]);
      expect(await readAll(bench.landing, 'factory-a.readings', 0)).toHaveLength(10);
    });

    test('never move back, whatever commits are tried in whatever order', async () => {
      const site = new Site('factory-a');
      await bench.landing.commit([site.hello(bench.now())]);
      const segments = Array.from({ length: 12 }, () => site.segment(2));
      let through = -1;
      for (let i = 0; i < 60; i++) {
        const segment = segments[(i * 7) % segments.length]!;
        await bench.landing
          .commit([site.write(bench.now(), { segments: [segment] })])
          .catch(() => undefined);
        const [checkpoint] = (await bench.landing.load('factory-a'))?.checkpoints ?? [];
        expect(checkpoint?.through ?? -1).toBeGreaterThanOrEqual(through);
        through = checkpoint?.through ?? -1;
      }
      const read = await readAll(bench.landing, 'readings', 0);
      expect(read.map(sequenceOf)).toEqual([...Array(through + 1).keys()]);
    });

    test('filters name the alias and the topic as the edge calls it', async () => {
      const [a, b] = [new Site('factory-a'), new Site('factory-b')];
      await bench.landing.commit([a.hello(bench.now()), b.hello(bench.now())]);
      const segments = [a.segment(1), a.segment(1, { topic: 'alarms' })];
      await bench.landing.commit([
        a.write(bench.now(), { segments }),
        b.write(bench.now(), { segments: [b.segment(1)] }),
      ]);
      const names = async (filter: { alias?: string; topic?: string }) =>
        (await bench.landing.checkpoints(filter)).map(({ remoteTopic }) => remoteTopic).sort();
      expect(await names({ topic: 'readings' })).toEqual([
        'factory-a.readings',
        'factory-b.readings',
      ]);
      expect(await names({ alias: 'factory-a' })).toEqual([
        'factory-a.alarms',
        'factory-a.readings',
      ]);
      expect(await names({ alias: 'factory-a', topic: 'alarms' })).toEqual(['factory-a.alarms']);
      expect(await names({ alias: 'nobody' })).toEqual([]);
    });
  });
}

export function describeLosses(bench: LandingBench): void {
  describe('losses', () => {
    test('land between the segments where their sequences say, and are counted apart', async () => {
      const site = new Site('factory-a');
      await bench.landing.commit([site.hello(bench.now())]);
      const segments = [site.segment(2)];
      const losses = [site.loss(3)];
      segments.push(site.segment(1));
      losses.push(site.loss(1, { scope: 'source', records: 40, reason: 'source-gap' }));
      losses.push(site.loss(2));
      const at = bench.now();
      const [landed] = await bench.landing.commit([site.write(at, { segments, losses })]);
      expect(landed?.checkpoints).toMatchObject([
        { through: 8, landedRecords: 3, lostRecords: 5, remoteOffset: 3 },
      ]);
      expect(await bench.landing.aliases()).toMatchObject([{ landedRecords: 3, lostRecords: 5 }]);
      const read = await readAll(bench.landing, 'readings', 0);
      expect(read.map(sequenceOf)).toEqual([0, 1, 5]);

      const ledger = await bench.landing.losses({ limit: 10 });
      expect(
        ledger.map(({ first, span, scope, records }) => [first, span, scope, records]),
      ).toEqual([
        [2, 3, 'stream', 3],
        [6, 1, 'source', 40],
        [7, 2, 'stream', 2],
      ]);
      const { partitionCount: _, ...loss } = losses[0]!;
      expect(ledger[0]).toEqual({ ...loss, alias: 'factory-a', landedAt: at });
      const topic = await readAll(bench.landing, 'tributary.losses', 0);
      expect(topic.map(({ key }) => key?.toString())).toEqual(Array(3).fill('factory-a'));
      expect(topic.map(({ value }) => JSON.parse(`${value}`))).toEqual(ledger);
      expect(await bench.topicRow('tributary.losses')).toMatchObject({ kind: 'internal' });
    });

    test('are told from records, sequence by sequence', async () => {
      const site = new Site('factory-a');
      await bench.landing.commit([site.hello(bench.now())]);
      const parts = { losses: [site.loss(3), site.loss(2)], segments: [site.segment(5)] };
      await bench.landing.commit([site.write(bench.now(), parts)]);
      await bench.landing.commit([site.write(bench.now(), { losses: [site.loss(4)] })]);
      const stream = { epoch: e1, topic: 'readings', partition: 0 };
      const lost = (first: number, last: number) =>
        bench.landing.lostWithin('factory-a', stream, first, last);
      expect(await lost(0, 13)).toBe(9);
      expect(await lost(4, 4)).toBe(1);
      expect(await lost(5, 9)).toBe(0);
      expect(await lost(3, 11)).toBe(4);
      expect(await lost(14, 99)).toBe(0);
      expect(await bench.landing.lostWithin('nobody', stream, 0, 9)).toBe(0);
    });

    test('are found by alias and time, oldest first, up to the limit', async () => {
      const [a, b] = [new Site('factory-a'), new Site('factory-b')];
      await bench.landing.commit([a.hello(bench.now()), b.hello(bench.now())]);
      const start = bench.now();
      for (let i = 0; i < 6; i++) {
        const site = i % 2 === 0 ? a : b;
        await bench.landing.commit([site.write(start + i * 10, { losses: [site.loss(1)] })]);
      }
      const times = async (filter: { alias?: string; sinceMs?: number; limit: number }) =>
        (await bench.landing.losses(filter)).map(({ landedAt }) => landedAt - start);
      expect(await times({ limit: 100 })).toEqual([0, 10, 20, 30, 40, 50]);
      expect(await times({ limit: 2 })).toEqual([0, 10]);
      expect(await times({ sinceMs: start + 20, limit: 2 })).toEqual([20, 30]);
      expect(await times({ alias: 'factory-b', sinceMs: start + 20, limit: 9 })).toEqual([30, 50]);
    });

    test('a stream that lost everything has a checkpoint and no records', async () => {
      const site = new Site('factory-a');
      await bench.landing.commit([site.hello(bench.now())]);
      await bench.landing.commit([site.write(bench.now(), { losses: [site.loss(9)] })]);
      expect(await bench.landing.checkpoints({})).toMatchObject([
        { through: 8, landedRecords: 0, lostRecords: 9, remoteTopic: 'factory-a.readings' },
      ]);
      expect(await bench.topicRow('factory-a.readings')).toBeUndefined();
    });
  });
}
