import { describe, expect, test } from 'vitest';
import type { LandingBench } from './landing-bench.ts';
import { readAll } from './landing-dump.ts';
import { e1, e2, Site } from './landing-site.ts';

export function describeSessions(bench: LandingBench): void {
  describe('sessions', () => {
    test('hello replaces epoch, session and lineage; used once something landed', async () => {
      const site = new Site('factory-a');
      const at = bench.now();
      await bench.landing.commit([site.hello(at)]);
      const state = () => bench.landing.load('factory-a');
      expect(await state()).toMatchObject({
        epoch: e1,
        session: 'factory-a-s1',
        sessionUsed: false,
        lineage: `{"factory-a-s1":"${e1}"}`,
        adoptAllowed: false,
        disabled: false,
        firstSeenAt: at,
        checkpoints: [],
      });
      const heartbeat = { receivedAt: bench.now(), heartbeat: site.heartbeat(1) };
      await bench.landing.commit([site.write(bench.now(), { heartbeat })]);
      expect(await state()).toMatchObject({ sessionUsed: false });
      await bench.landing.commit([site.write(bench.now(), { segments: [site.segment(1)] })]);
      expect(await state()).toMatchObject({ sessionUsed: true });
      await bench.landing.commit([site.hello(bench.now(), 'factory-a-s2', e2)]);
      expect(await state()).toMatchObject({
        epoch: e2,
        session: 'factory-a-s2',
        sessionUsed: false,
        lineage: `{"factory-a-s2":"${e2}"}`,
        firstSeenAt: at,
      });
    });

    test('flags stay until changed; hello clears only that a hole is allowed', async () => {
      const site = new Site('factory-a');
      await bench.landing.commit([site.hello(bench.now())]);
      const flags = { adoptAllowed: true, disabled: true };
      await bench.landing.commit([site.write(bench.now(), { flags })]);
      expect(await bench.landing.load('factory-a')).toMatchObject(flags);
      await bench.harness.reopen();
      await bench.landing.commit([site.write(bench.now(), { segments: [site.segment(1)] })]);
      expect(await bench.landing.load('factory-a')).toMatchObject(flags);
      await bench.landing.commit([site.hello(bench.now(), 'factory-a-s2')]);
      expect(await bench.landing.load('factory-a')).toMatchObject({
        adoptAllowed: false,
        disabled: true,
      });
      expect(await bench.landing.aliases()).toMatchObject([{ disabled: true }]);
    });

    test('the latest heartbeat is kept', async () => {
      const [a, b] = [new Site('factory-a'), new Site('factory-b')];
      await bench.landing.commit([a.hello(bench.now()), b.hello(bench.now())]);
      for (const number of [1, 2, 3]) {
        const heartbeat = { receivedAt: bench.now() + number, heartbeat: a.heartbeat(number) };
        await bench.landing.commit([a.write(bench.now(), { heartbeat })]);
      }
      await bench.harness.crash();
      expect(await bench.landing.aliases()).toMatchObject([
        {
          alias: 'factory-a',
          epoch: e1,
          heartbeat: { receivedAt: bench.now() + 3, heartbeat: a.heartbeat(3) },
        },
        { alias: 'factory-b', heartbeat: null },
      ]);
    });

    test('a removed alias is forgotten; its topics stay and go on when it returns', async () => {
      const [a, b] = [new Site('factory-a'), new Site('factory-b')];
      await bench.landing.commit([a.hello(bench.now()), b.hello(bench.now())]);
      const parts = { segments: [a.segment(4)], losses: [a.loss(2)] };
      await bench.landing.commit([
        a.write(bench.now(), { ...parts, heartbeat: { receivedAt: 1, heartbeat: a.heartbeat(1) } }),
        b.write(bench.now(), { segments: [b.segment(1)] }),
      ]);
      await bench.landing.commit([{ ...a.write(bench.now()), remove: true }]);
      expect(await bench.landing.load('factory-a')).toBeUndefined();
      expect((await bench.landing.aliases()).map(({ alias }) => alias)).toEqual(['factory-b']);
      expect(await bench.landing.checkpoints({ alias: 'factory-a' })).toEqual([]);
      const stream = { epoch: e1, topic: 'readings', partition: 0 };
      expect(await bench.landing.lostWithin('factory-a', stream, 0, 9)).toBe(0);
      expect(await readAll(bench.landing, 'factory-a.readings', 0)).toHaveLength(4);

      const again = new Site('factory-a');
      await bench.landing.commit([again.hello(bench.now())]);
      expect(await bench.landing.aliases()).toMatchObject([
        { alias: 'factory-a', landedRecords: 0, lostRecords: 0, heartbeat: null },
        { alias: 'factory-b' },
      ]);
      await bench.landing.commit([again.write(bench.now(), { segments: [again.segment(3)] })]);
      expect(await readAll(bench.landing, 'factory-a.readings', 0)).toHaveLength(7);
      const [row] = await bench.landing.checkpoints({ alias: 'factory-a' });
      expect(row).toMatchObject({ through: 2, landedRecords: 3 });
    });
  });
}
