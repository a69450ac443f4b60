import { expect, onTestFinished, test } from 'vitest';
import type { MirrorOptions, TopicFollowing } from '#central/mirror/mirror.ts';
import { KafkaError } from '#shared/kafka/kafka.ts';
import { type Logger, silentLog } from '#shared/std/log.ts';
import type { ReportedAcl, ReportedTopic } from '#shared/wire/kafka-report.ts';
import { mm2Defaults } from '#shared/wire/mm2-filter.ts';
import type { Naming } from '#shared/wire/mm2-topics.ts';
import { MemoryCluster } from '../../sim/memory-kafka.ts';
import { life, MirrorWorld } from './mirror-world.ts';

const day = 86_400_000;
const eventually = <T>(look: () => T) => expect.poll(look, { timeout: 10_000, interval: 20 });

const following: TopicFollowing = {
  ...{ configs: true, acls: false, longestOutageMs: 30 * day, checkMs: 50 },
  exclude: mm2Defaults.configPropertiesExclude,
};

async function open(
  more: Partial<TopicFollowing> = {},
  options: Partial<MirrorOptions> = {},
  naming: Naming = 'default',
) {
  const cluster = new MemoryCluster();
  const topics = { ...following, ...more };
  const open = () => cluster.open();
  const world = await MirrorWorld.open({ topics, ...options }, { open, naming });
  onTestFinished(() => world.close());
  const configs = (topic = 'a.t') => cluster.topics.get(topic)!.configs;
  return { cluster, world, configs };
}

const told = (configs: { [name: string]: string }, partitions = 1): ReportedTopic => ({
  ...{ topic: 't', incarnation: life, partitions },
  configs: Object.entries(configs).map(([name, value]) => ({ name, value, explicit: true })),
});

const acl = (operation: string): ReportedAcl => ({
  ...{ topic: 't', principal: 'User:a', host: '*', operation, permission: 'ALLOW' },
});

/** All that was told has been looked at, and what somebody changed meanwhile too. */
async function settled(world: MirrorWorld): Promise<void> {
  const [name, value] = ['probe', '1'];
  const topics = [{ ...told({ [name]: value }), topic: name }];
  await world.land(0, 1, life, name);
  await world.report([], { topics });
  await eventually(() => world.kafka.admin.configs(`a.${name}`)).toEqual(
    expect.arrayContaining([expect.objectContaining({ name, value })]),
  );
}

test('what the site sets is set in the remote topic, and what is excluded is not', async () => {
  const { world, configs } = await open();
  await world.land(0, 1);
  await world.report([], {
    topics: [told({ 'segment.bytes': '5', 'retention.ms': '1000', 'min.insync.replicas': '2' })],
  });
  await eventually(() => configs()['segment.bytes']).toBe('5');
  expect(configs()['retention.ms']).toBe(String(30 * day + 1000));
  expect(configs()['min.insync.replicas']).toBeUndefined();
  expect(configs('t')['segment.bytes']).toBeUndefined();
});

test('a topic that lands after the site has told of it follows then', async () => {
  const { world, configs } = await open();
  await world.report([], { topics: [told({ 'segment.bytes': '5' })] });
  await world.land(0, 1);
  await eventually(() => configs()['segment.bytes']).toBe('5');
});

test('what the site changes follows, and what somebody changes at central is put back', async () => {
  const { world, configs } = await open();
  await world.land(0, 1);
  for (const bytes of ['5', '6']) {
    await world.report([], { topics: [told({ 'segment.bytes': bytes })] });
    await eventually(() => configs()['segment.bytes']).toBe(bytes);
  }
  configs()['segment.bytes'] = '7';
  await eventually(() => configs()['segment.bytes']).toBe('6');
});

test('a topic that was there before us is never changed', async () => {
  const { cluster, world, configs } = await open();
  const before = { 'segment.bytes': '9', 'compression.type': 'producer' };
  cluster.create({ topic: 'a.t', partitions: 1, replicationFactor: 1, configs: before });
  await world.land(0, 1);
  await world.report([], { topics: [told({ 'segment.bytes': '5' })] });
  await settled(world);
  expect(configs()).toEqual(before);
});

test('nor one that somebody has made anew under the name', async () => {
  const { cluster, world, configs } = await open();
  await world.land(0, 1);
  cluster.topics.delete('a.t');
  // Others' topics have other ids.
  cluster.create({ topic: 'another', partitions: 1, replicationFactor: 1, configs: {} });
  cluster.create({ topic: 'a.t', partitions: 1, replicationFactor: 1, configs: {} });
  await world.report([], { topics: [told({ 'segment.bytes': '5' })] });
  await settled(world);
  expect(configs()).toEqual({});
});

test('with names kept, a topic follows as long as one site alone lands in it', async () => {
  const { world, configs } = await open({}, {}, 'identity');
  await world.land(0, 1);
  await world.report([], { topics: [told({ 'segment.bytes': '5' })] });
  await eventually(() => configs('t')['segment.bytes']).toBe('5');
  await world.landOther(1);
  await world.report([], { topics: [told({ 'segment.bytes': '6' })] });
  await world.land(1, 1, life, 'u');
  await world.report([], { topics: [{ ...told({ 'segment.bytes': '7' }), topic: 'u' }] });
  await eventually(() => configs('u')['segment.bytes']).toBe('7');
  expect(configs('t')['segment.bytes']).toBe('5');
});

test('whose it is outlives the collector', async () => {
  const { world, configs } = await open();
  await world.land(0, 1);
  await world.report([], { topics: [told({ 'segment.bytes': '5' })] });
  await eventually(() => configs()['segment.bytes']).toBe('5');
  await world.restart();
  configs()['segment.bytes'] = '7';
  await eventually(() => configs()['segment.bytes']).toBe('5');
});

test('nothing follows where that is not wanted', async () => {
  const { cluster, world, configs } = await open({ configs: false, acls: true });
  await world.land(0, 1);
  await world.report([], { topics: [told({ 'segment.bytes': '5' })], acls: [acl('READ')] });
  await eventually(() => cluster.acls).toHaveLength(1);
  expect(configs()['segment.bytes']).toBeUndefined();
});

test('what follows the site is no trouble', async () => {
  const { world, configs } = await open();
  await world.land(0, 1);
  const topics = [told({ 'cleanup.policy': 'compact', 'retention.ms': '1000' })];
  await world.report([], { topics });
  await eventually(() => configs()['cleanup.policy']).toBe('compact');
  await settled(world);
  const rows = await world.landing.topics();
  expect(rows.find(({ topic }) => topic === 'a.t')?.troubles).toEqual([]);
});

test('a retention that followed holds back at once what it would delete', async () => {
  const { world, configs } = await open();
  // Records of 2023.
  await world.land(0, 1);
  await world.report([], { topics: [told({ 'retention.ms': '1000' })] });
  await eventually(() => configs()['retention.ms']).toBe(String(30 * day + 1000));
  await settled(world);
  const write = world.site.write(2, { segments: [world.site.segment(1, { topic: 't' })] });
  await expect(world.landing.commit([write])).rejects.toThrow('older than retention.ms');
});

test('bindings follow on request: literal ones, never to write, and once', async () => {
  const { cluster, world } = await open({ acls: true });
  await world.land(0, 1);
  await world.report([], {
    topics: [told({})],
    acls: [acl('READ'), acl('WRITE'), acl('ALL'), { ...acl('READ'), topic: 'not-told' }],
  });
  const binding = {
    ...{ resourceType: 'topic', resourceName: 'a.t', patternType: 'literal', operation: 'READ' },
    ...{ principal: 'User:a', host: '*', permission: 'ALLOW' },
  };
  await eventually(() => cluster.acls).toEqual([binding]);
  await settled(world);
  expect(cluster.acls).toEqual([binding]);
  cluster.acls.length = 0;
  await eventually(() => cluster.acls).toEqual([binding]);
});

test('nobody asks for bindings that no site tells of', async () => {
  const { cluster, world, configs } = await open({ acls: true });
  cluster.fault = (step) => {
    if (step === 'acls') throw new KafkaError('invalid', 'no authorizer');
  };
  await world.land(0, 1);
  await world.report([], { topics: [told({ 'segment.bytes': '5' })] });
  await eventually(() => configs()['segment.bytes']).toBe('5');
  expect(await refusals(world)).toEqual([]);
});

const refusals = async (world: MirrorWorld) =>
  (await world.mirror.audit('a', () => null)).drifts
    .filter(({ what }) => what === 'refused')
    .map(({ meaning }) => meaning);

test('a refusal is told once, shown, retried, and disturbs no record', async () => {
  const warned: object[] = [];
  const log = { ...silentLog, warn: (facts: object) => void warned.push(facts) } as Logger;
  const { cluster, world, configs } = await open({}, { log });
  let tries = 0;
  cluster.fault = (step) => {
    if (step !== 'alter') return;
    tries += 1;
    throw new KafkaError('denied', 'no right to alter');
  };
  await world.land(0, 1);
  await world.report([], { topics: [told({ 'segment.bytes': '5', 'flush.ms': '7' })] });
  await eventually(() => refusals(world)).toEqual(['no right to alter']);
  await world.land(1, 5);
  await eventually(() => tries).toBeGreaterThan(3);
  expect(warned).toEqual([{ topic: 'a.t', why: 'no right to alter' }]);
  cluster.fault = () => {};
  await eventually(() => configs()['segment.bytes']).toBe('5');
  await eventually(() => refusals(world)).toEqual([]);
  expect(warned).toHaveLength(1);
});

test('one setting that this cluster does not know keeps no other from following', async () => {
  const { cluster, world, configs } = await open();
  await world.land(0, 1);
  const { admin } = world.kafka;
  const alter = admin.alterConfigs;
  admin.alterConfigs = async (topic, changes) => {
    if ('newer.setting' in changes) throw new KafkaError('invalid', 'Unknown topic config name');
    await alter(topic, changes);
  };
  await world.report([], { topics: [told({ 'segment.bytes': '5', 'newer.setting': '1' })] });
  await eventually(() => configs()['segment.bytes']).toBe('5');
  await eventually(() => refusals(world)).toEqual(['newer.setting: Unknown topic config name']);
  expect(cluster.topics.get('a.t')!.configs['newer.setting']).toBeUndefined();
});

test('a Kafka that is away for a while is asked again', async () => {
  const { cluster, world, configs } = await open();
  await world.land(0, 1);
  let failures = 0;
  cluster.fault = (step) => {
    if (step === 'alter' && failures++ < 2) throw new KafkaError('unavailable', 'away');
  };
  await world.report([], { topics: [told({ 'segment.bytes': '5' })] });
  await eventually(() => configs()['segment.bytes']).toBe('5');
});
