import { describe, expect, test } from 'vitest';
import { type LandingBench, retentionMs } from './landing-bench.ts';
import { readAll, sequenceOf } from './landing-dump.ts';
import { Site } from './landing-site.ts';

export function describeReading(bench: LandingBench): void {
  describe('reading', () => {
    test('pages of any size show the same records, none twice', async () => {
      const site = new Site('factory-a');
      await bench.landing.commit([site.hello(bench.now())]);
      const segments = [7, 1, 30, 2, 60].map((count) => site.segment(count));
      await bench.landing.commit([site.write(bench.now(), { segments })]);
      for (const limit of [1, 3, 7, 64, 1000]) {
        const read = await readAll(bench.landing, 'readings', 0, limit);
        expect(read.map(sequenceOf)).toEqual([...Array(100).keys()]);
      }
      const page = await bench.landing.records('readings', 0, 8, 5);
      expect(page?.records.map(sequenceOf)).toEqual([8, 9, 10, 11, 12]);
      expect(page?.next).toBe(13);
      expect(await bench.landing.records('readings', 0, 10_000, 5)).toEqual({
        records: [],
        next: null,
      });
      const below = await bench.landing.records('readings', 0, -5, 1);
      expect(below?.records.map(sequenceOf)).toEqual([0]);
    });

    test('a page is bounded in records and in bytes', async () => {
      const site = new Site('factory-a');
      await bench.landing.commit([site.hello(bench.now())]);
      const small = [site.segment(1500), site.segment(1500)];
      await bench.landing.commit([site.write(bench.now(), { segments: small })]);
      const page = await bench.landing.records('readings', 0, 0, 1_000_000);
      expect(page?.records.length).toBe(1000);
      expect(page?.next).toBe(page!.records.at(-1)!.offset + 1);
      const large = Array.from({ length: 8 }, () =>
        site.segment(1, { topic: 'images', valueBytes: 800_000 }),
      );
      await bench.landing.commit([site.write(bench.now(), { segments: large })]);
      const heavy = await bench.landing.records('images', 0, 0, 1000);
      expect(heavy?.records.length).toBeLessThan(5);
      expect(await readAll(bench.landing, 'images', 0)).toHaveLength(8);
    });

    test('usage and probe answer', async () => {
      const usage = await bench.landing.usage();
      if (usage) expect(usage.usedBytes).toBeLessThanOrEqual(usage.maxBytes);
      await bench.landing.probe();
    });
  });
}

export function describeRetention(bench: LandingBench): void {
  describe('retention', () => {
    test('what landed longer ago goes; positions stay and the log goes on', async () => {
      const site = new Site('factory-a');
      await bench.landing.commit([site.hello(bench.now())]);
      const old = { segments: [site.segment(10)], losses: [site.loss(2)] };
      await bench.landing.commit([site.write(bench.now(), old)]);
      bench.harness.advance(retentionMs / 2);
      await bench.landing.commit([site.write(bench.now(), { segments: [site.segment(5)] })]);
      bench.harness.advance(retentionMs / 2 + 60_000);
      await expect
        .poll(async () => {
          bench.harness.advance(1000);
          return (await bench.topicRow('readings'))?.records;
        })
        .toBe(5);
      const read = await readAll(bench.landing, 'readings', 0);
      expect(read.map(sequenceOf)).toEqual([12, 13, 14, 15, 16]);
      const page = await bench.landing.records('readings', 0, 0, 1);
      expect(page?.records[0]?.offset).toBe(read[0]!.offset);
      expect(read[0]!.offset).toBeGreaterThanOrEqual(10);
      expect((await bench.topicRow('readings'))?.partitions[0]?.startOffset).toBe(read[0]!.offset);

      await bench.harness.reopen();
      expect(await bench.landing.checkpoints({})).toMatchObject([
        { through: 16, landedRecords: 15 },
      ]);
      expect(await bench.landing.losses({ limit: 9 })).toHaveLength(1);
      await bench.landing.commit([site.write(bench.now(), { segments: [site.segment(1)] })]);
      const [newest] = (await readAll(bench.landing, 'readings', 0)).slice(-1);
      expect(newest!.offset).toBeGreaterThan(read.at(-1)!.offset);
    });

    test("counts from landing: a record's own time does not matter", async () => {
      const site = new Site('factory-a');
      const ancient = [{ key: null, value: Buffer.from('1'), headers: [], timestamp: 5 }];
      const parts = { segments: [site.segment(1, { records: ancient })] };
      await bench.landing.commit([site.hello(bench.now()), site.write(bench.now(), parts)]);
      bench.harness.advance(retentionMs / 2);
      await bench.landing.probe();
      expect(await readAll(bench.landing, 'readings', 0)).toHaveLength(1);
    });
  });
}
