import { expect, test } from 'vitest';
import { groupOwners } from '#central/landing/kafka-owners.ts';
import { Site } from '../../contract/landing-site.ts';
import { MemoryCluster } from '../../sim/memory-kafka.ts';
import { chaos, collector, sequences } from './kafka-chaos.ts';

test('whatever fails whenever, every record lands once and in order (40 seeds)', async () => {
  for (let seed = 100; seed < 140; seed++) {
    await expect(chaos(seed), `seed ${seed}`).resolves.toBeUndefined();
  }
}, 120_000);

for (const step of ['send', 'commit'] as const) {
  test(`sites are handed over although Kafka does not answer a ${step}, and nothing is there twice`, async () => {
    const cluster = new MemoryCluster();
    const leaving = await collector(cluster, groupOwners);
    const site = new Site('factory-a');
    await leaving.commit([site.hello(1)]);
    const write = site.write(2, { segments: [site.segment(3)] });
    cluster.silent.add(step);
    const stuck = leaving.commit([write]);
    const next = site.write(3, { segments: [site.segment(2)] });
    const behind = leaving.commit([next]);
    const told = Promise.allSettled([stuck, behind]);
    await leaving.close();
    for (const { status, reason } of (await told) as PromiseRejectedResult[]) {
      expect(`${status} ${reason.code}`).toMatch(/^rejected (uncertain|moved)$/);
    }
    expect(leaving.route(site.alias)).toEqual({ to: 'other', url: null });
    cluster.silent.clear();
    const heir = await collector(cluster, groupOwners);
    for (const one of [write, next]) await heir.commit([one]);
    expect(await sequences(heir, 'readings')).toEqual([0, 1, 2, 3, 4]);
  });
}
