import { afterEach, expect, test } from 'vitest';
import { openKafkaLanding } from '#central/landing/kafka.ts';
import type { KafkaLanding } from '#central/landing/kafka-landing.ts';
import { soleOwner } from '#central/landing/kafka-owners.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { Site } from '../../contract/landing-site.ts';
import { MemoryCluster } from '../../sim/memory-kafka.ts';
import { kafkaOptions } from './kafka-options.ts';

const open: KafkaLanding[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.abandon();
});

/** Half a minute passes in a moment. */
const hurried = {
  ...{ now: systemClock.now, monotonic: systemClock.monotonic, every: systemClock.every },
  sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(Math.min(ms, 20), signal),
};

async function collector(cluster: MemoryCluster): Promise<KafkaLanding> {
  const landing = await openKafkaLanding(kafkaOptions, {
    ...{ kafka: cluster.open(), clock: hurried, log: silentLog, owners: soleOwner },
  });
  open.push(landing);
  await landing.serve(null);
  return landing;
}

const topic = 'factory-a.readings';
const make = (cluster: MemoryCluster, configs: { [name: string]: string }) =>
  cluster.create({
    ...{ topic, partitions: 1, replicationFactor: 1 },
    configs: { 'compression.type': 'producer', 'cleanup.policy': 'delete', ...configs },
  });
const troublesOf = async (landing: KafkaLanding, name = topic) =>
  (await landing.topics()).find((row) => row.topic === name)?.troubles;

test('topics that we make fit, our own too', async () => {
  const landing = await collector(new MemoryCluster());
  const site = new Site('factory-a');
  await landing.commit([site.hello(1)]);
  await landing.commit([site.write(2, { segments: [site.segment(1)] })]);
  const rows = await landing.topics();
  expect(rows.map(({ topic, troubles }) => [topic, troubles])).toEqual([
    ['factory-a.readings', []],
    ['readings', []],
  ]);
});

test('settings that do not fit are told by each collector, until they do', async () => {
  const cluster = new MemoryCluster();
  make(cluster, { 'max.message.bytes': '1000' });
  const landing = await collector(cluster);
  const site = new Site('factory-a');
  await landing.commit([site.hello(1)]);
  await landing.commit([site.write(2, { segments: [site.segment(1)] })]);
  const other = await collector(cluster);
  for (const one of [landing, other]) {
    await expect
      .poll(() => troublesOf(one))
      .toEqual([expect.stringMatching(/^max\.message\.bytes = 1000: segments may have/)]);
  }
  cluster.topics.get(topic)!.configs['max.message.bytes'] = '2097152';
  for (const one of [landing, other]) await expect.poll(() => troublesOf(one)).toEqual([]);
});

test('a topic of our own is shown once something is wrong with it', async () => {
  const cluster = new MemoryCluster();
  const landing = await collector(cluster);
  const own = 'tributary.checkpoints';
  expect(await troublesOf(landing, own)).toBeUndefined();
  cluster.topics.get(own)!.configs['cleanup.policy'] = 'delete';
  await expect
    .poll(() => troublesOf(landing, own))
    .toEqual(['cleanup.policy = delete and not compact']);
});

test('a backlog that was held back lands once the retention is raised, without a restart', async () => {
  const cluster = new MemoryCluster();
  make(cluster, { 'retention.ms': '1000' });
  const landing = await collector(cluster);
  const site = new Site('factory-a');
  await landing.commit([site.hello(1)]);
  const write = site.write(2, { segments: [site.segment(1)] });
  await expect(landing.commit([write])).rejects.toMatchObject({
    ...{ code: 'refused', at: { topic } },
  });
  cluster.topics.get(topic)!.configs['retention.ms'] = '-1';
  await expect
    .poll(() =>
      landing.commit([write]).then(
        () => 'landed',
        () => 'held',
      ),
    )
    .toBe('landed');
});
