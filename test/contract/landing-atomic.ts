import { describe, expect, test } from 'vitest';
import type { LandingError } from '#central/landing/landing.ts';
import { type LandingBench, retentionMs } from './landing-bench.ts';
import { dump, readAll, withoutOffsets } from './landing-dump.ts';
import { e2, Site } from './landing-site.ts';

export function describeGroups(bench: LandingBench): void {
  describe('many at once', () => {
    test('commits that arrive together equal the same commits one by one', async () => {
      const other = await bench.kind.open({ retentionMs });
      const at = bench.now();
      const commits = () => {
        const sites = ['a', 'b', 'c'].map((name) => new Site(name));
        const hellos = sites.map((site) => [site.hello(at)]);
        const data = Array.from({ length: 30 }, (_, i) => {
          const site = sites[i % 3]!;
          const losses = i % 7 === 0 ? [site.loss(1)] : [];
          return [site.write(at + i, { losses, segments: [site.segment(1 + (i % 5))] })];
        });
        return [...hellos, ...data];
      };
      const together = await Promise.all(commits().map((commit) => bench.landing.commit(commit)));
      const single = [];
      for (const commit of commits()) single.push(await other.landing.commit(commit));
      const place = bench.kind.dense ? (x: unknown) => x : withoutOffsets;
      expect(place(together)).toEqual(place(single));
      const { centralId: _, ...all } = (await dump(bench.landing)) as { centralId: string };
      expect(place(await dump(other.landing))).toMatchObject(place(all) as object);
      await other.close();
    });

    test('a bad one among them fails alone', async () => {
      const sites = ['a', 'b', 'c', 'd'].map((name) => new Site(name));
      await bench.landing.commit(sites.map((site) => site.hello(bench.now())));
      const segments = sites.map((site, i) =>
        i === 2 ? site.segment(3, { first: 5 }) : site.segment(3),
      );
      const results = await Promise.allSettled(
        sites.map((site, i) =>
          bench.landing.commit([site.write(bench.now(), { segments: [segments[i]!] })]),
        ),
      );
      expect(results.map(({ status }) => status)).toEqual([
        'fulfilled',
        'fulfilled',
        'rejected',
        'fulfilled',
      ]);
      expect(await readAll(bench.landing, 'readings', 0)).toHaveLength(9);
    });

    test('a closed landing says so, and finished what it had taken', async () => {
      const site = new Site('factory-a');
      await bench.landing.commit([site.hello(bench.now())]);
      const last = bench.landing.commit([site.write(bench.now(), { segments: [site.segment(5)] })]);
      const closed = bench.harness.landing;
      await bench.harness.reopen();
      await last;
      expect(await readAll(bench.landing, 'readings', 0)).toHaveLength(5);
      await expect(closed.load('factory-a')).rejects.toMatchObject({ code: 'closed' });
      await expect(closed.commit([])).rejects.toMatchObject({ code: 'closed' });
    });
  });
}

/** For kinds with seams. */
export function testSeams(bench: LandingBench): void {
  test('a commit that dies between any two steps is whole or not there', async () => {
    const [a, b] = [new Site('factory-a'), new Site('factory-b')];
    await bench.landing.commit([a.hello(bench.now()), b.hello(bench.now())]);
    await bench.landing.commit([a.write(bench.now(), { segments: [a.segment(2)] })]);
    const commit = [
      a.write(bench.now(), {
        segments: [a.segment(3), a.segment(1, { topic: 'alarms', partition: 1 })],
        losses: [a.loss(2)],
        heartbeat: { receivedAt: bench.now(), heartbeat: a.heartbeat(1) },
      }),
      b.hello(bench.now(), 'factory-b-s2', e2),
      b.write(bench.now(), { segments: [b.segment(4)], flags: { disabled: true } }),
    ];
    const before = await dump(bench.landing);
    let landedAtStep: number | undefined;
    for (let n = 0; landedAtStep === undefined; n++) {
      const { stepped } = bench.harness.failAt!(n);
      const outcome = await bench.landing.commit(commit).catch((error: LandingError) => error.code);
      expect(outcome).toBe('uncertain');
      expect(stepped()).toBe(true);
      await bench.harness.crash();
      if ((await bench.landing.load('factory-b'))?.session === 'factory-b-s2') landedAtStep = n;
      else expect(await dump(bench.landing)).toEqual(before);
    }
    expect(landedAtStep).toBeGreaterThan(8);

    const whole = await bench.kind.open({ retentionMs });
    const [c, d] = [new Site('factory-a'), new Site('factory-b')];
    await whole.landing.commit([c.hello(bench.now()), d.hello(bench.now())]);
    await whole.landing.commit([c.write(bench.now(), { segments: [c.segment(2)] })]);
    await whole.landing.commit(commit);
    const { centralId: _, ...all } = (await dump(whole.landing)) as { centralId: string };
    expect(await dump(bench.landing)).toMatchObject(all);
    await whole.close();
  });
}
