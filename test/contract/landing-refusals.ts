import { describe, expect, test } from 'vitest';
import { sealBatch } from '#shared/wire/record-batch.ts';
import type { LandingBench } from './landing-bench.ts';
import { dump, readAll, withoutOffsets } from './landing-dump.ts';
import { Site } from './landing-site.ts';

export function describeRefusals(bench: LandingBench): void {
  /** Markers of the last transaction may come between two looks. */
  const held = async () => {
    const all = await dump(bench.landing);
    return bench.kind.dense ? all : withoutOffsets(all);
  };

  describe('what is refused', () => {
    test('a sequence lands once: repeats, overlaps and gaps change nothing', async () => {
      const site = new Site('factory-a');
      const segment = site.segment(5);
      await bench.landing.commit([
        site.hello(bench.now()),
        site.write(bench.now(), { segments: [segment] }),
      ]);
      const before = await held();
      for (const first of [0, 3, 4, 6, -1]) {
        const bad = site.write(bench.now(), {
          segments: [site.segment(5, { first: Math.max(0, first) })],
        });
        bad.segments[0]!.first = first;
        expect(await bench.commitError(bad)).toMatchObject({ code: 'refused' });
      }
      const badLoss = site.write(bench.now(), { losses: [site.loss(2, { first: 4 })] });
      expect(await bench.commitError(badLoss)).toMatchObject({ code: 'refused' });
      expect(await held()).toEqual(before);
    });

    test('one bad write leaves nothing of its whole commit', async () => {
      const [a, b] = [new Site('factory-a'), new Site('factory-b')];
      await bench.landing.commit([a.hello(bench.now()), b.hello(bench.now())]);
      const before = await held();
      const error = await bench.commitError(
        a.write(bench.now(), { segments: [a.segment(5)], losses: [a.loss(1)] }),
        b.write(bench.now(), { segments: [b.segment(5, { first: 7 })] }),
      );
      expect(error).toMatchObject({ name: 'LandingError', code: 'refused' });
      expect(await held()).toEqual(before);
    });

    test('an older session is fenced, and nothing of its commit is written', async () => {
      const [a, b] = [new Site('factory-a'), new Site('factory-b')];
      await bench.landing.commit([a.hello(bench.now()), b.hello(bench.now())]);
      const late = a.write(bench.now(), { segments: [a.segment(5)] });
      await bench.landing.commit([a.hello(bench.now(), 'factory-a-s2')]);
      const before = await held();
      const good = b.write(bench.now(), { segments: [b.segment(1)] });
      expect(await bench.commitError(good, late)).toMatchObject({ code: 'fenced' });
      const stranger = new Site('factory-c');
      expect(await bench.commitError(stranger.write(bench.now()))).toMatchObject({
        code: 'fenced',
      });
      expect(await held()).toEqual(before);
    });

    test('a topic is a remote one or a merged one, and never both for one segment', async () => {
      const [a, b] = [new Site('factory-a'), new Site('factory-b')];
      await bench.landing.commit([a.hello(bench.now()), b.hello(bench.now())]);
      const twice = a.segment(1, { first: 0, remoteTopic: 'all', mergedTopics: ['all'] });
      const at = { code: 'refused', at: { topic: 'all' } };
      expect(await bench.commitError(a.write(bench.now(), { segments: [twice] }))).toMatchObject(
        at,
      );
      const merged = b.segment(2, { mergedTopics: ['all'] });
      await bench.landing.commit([b.write(bench.now(), { segments: [merged] })]);
      const remote = a.segment(1, { remoteTopic: 'all', mergedTopics: [] });
      expect(await bench.commitError(a.write(bench.now(), { segments: [remote] }))).toMatchObject(
        at,
      );
      expect(await readAll(bench.landing, 'all', 0)).toHaveLength(2);
    });

    test('an alias that never said hello', async () => {
      const site = new Site('factory-a');
      const write = { ...site.write(bench.now(), { segments: [site.segment(1)] }) };
      delete write.underSession;
      expect(await bench.commitError(write)).toMatchObject({ code: 'refused' });
      expect(await bench.landing.topics()).toEqual([]);
    });

    test('a batch that does not hold what the segment says', async () => {
      const site = new Site('factory-a');
      await bench.landing.commit([site.hello(bench.now())]);
      const one = sealBatch([{ key: null, value: null, headers: [], timestamp: 1 }], {
        compression: 'none',
      });
      const bad = [
        site.segment(2, { first: 0, batch: one }),
        site.segment(1, { first: 0, batch: one.subarray(0, 40) }),
        site.segment(1, { first: 0, partition: 3, partitionCount: 3 }),
      ];
      for (const segment of bad) {
        const error = await bench.commitError(site.write(bench.now(), { segments: [segment] }));
        expect(error).toMatchObject({ code: 'refused' });
      }
      expect(await bench.landing.topics()).toEqual([]);
    });

    test('a topic is remote or merged, never both', async () => {
      const [a, b] = [new Site('factory-a'), new Site('factory-b')];
      await bench.landing.commit([a.hello(bench.now()), b.hello(bench.now())]);
      await bench.landing.commit([a.write(bench.now(), { segments: [a.segment(1)] })]);
      const segment = b.segment(1, { mergedTopics: ['factory-a.readings'] });
      const error = await bench.commitError(b.write(bench.now(), { segments: [segment] }));
      expect(error).toMatchObject({ code: 'refused' });
      expect(error.message).toContain('factory-a.readings');
      expect(await readAll(bench.landing, 'factory-a.readings', 0)).toHaveLength(1);
    });
  });
}
