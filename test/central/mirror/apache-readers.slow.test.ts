import { expect, onTestFinished, test } from 'vitest';
import { openKafka } from '#shared/kafka/open-kafka.ts';
import { silentLog } from '#shared/std/log.ts';
import {
  checkpointsTopic,
  heartbeatsTopic,
  offsetSyncsTopic,
  remoteHeartbeatsTopic,
} from '#shared/wire/mm2-topics.ts';
import { startKafka } from '../../kafka/kafka.ts';
import { mirrorView } from '../../kafka/mirror-maker.ts';
import { kafkaMissing } from '../../kafka/missing.ts';
import { mirrorFormat } from '../../kafka/tools.ts';
import { group, life, MirrorWorld } from './mirror-world.ts';

/** A topic that is still being made is left out of a transaction: the site's next ones bring it. */
const told = (world: MirrorWorld) => {
  const { alias } = world.site;
  const topics = [
    ...[heartbeatsTopic, remoteHeartbeatsTopic(alias)],
    ...[checkpointsTopic(alias), offsetSyncsTopic(alias)],
  ];
  const empty = async () => {
    await world.settle();
    const values = await Promise.all(topics.map((topic) => world.valuesOf(topic)));
    return topics.filter((_, i) => values[i]!.length === 0);
  };
  return expect.poll(empty, { timeout: 60_000 }).toEqual([]);
};

/** What we write, read by Apache's own classes: RemoteClusterUtils, MirrorClient, formatters. */
test.skipIf(kafkaMissing)(
  "Apache's readers find in our topics what our API says",
  async () => {
    const { bootstrap, close } = await startKafka();
    onTestFinished(close);
    const open = () =>
      openKafka({ brokers: [bootstrap], clientId: 'apache-readers' }, { log: silentLog });
    const alias = 'factory-a';
    const world = await MirrorWorld.open({}, { alias, open });
    onTestFinished(() => world.close());
    await world.report([group('line-dashboard', 123), group('grüße', 500, life, 'métà')]);
    for (let i = 0; i < 50; i++) await world.land(i * 10, 10);
    await told(world);
    const views = await world.mirror.groups(alias);
    expect(views.map(({ remote }) => remote)).toEqual([
      { topic: 'factory-a.t', offset: 135, exactness: 'exact' },
      { topic: 'factory-a.t', offset: 549, exactness: 'exact' },
    ]);

    const seen = await mirrorView(bootstrap, alias, ['line-dashboard', 'grüße', 'nobody']);
    expect(seen.upstreamClusters).toContain(alias);
    expect(seen.replicationHops).toBe(1);
    expect(seen.checkpointTopics).toContain(checkpointsTopic(alias));
    expect(seen.heartbeatTopics).toEqual(
      expect.arrayContaining([heartbeatsTopic, remoteHeartbeatsTopic(alias)]),
    );
    expect(seen.remoteTopicsOfAlias).toContain(`${alias}.t`);
    for (const { group: name, remote, metadata } of views) {
      const found = [{ topic: remote!.topic, partition: 0, offset: remote!.offset, metadata }];
      expect(seen.groups[name]).toEqual({ translateOffsets: found, remoteConsumerOffsets: found });
    }
    expect(seen.groups.nobody!.translateOffsets).toEqual([]);

    const format = async (topic: string, what: 'Checkpoint' | 'Heartbeat' | 'OffsetSync') =>
      mirrorFormat(bootstrap, topic, what, (await world.valuesOf(topic)).length);
    expect(await format(checkpointsTopic(alias), 'Checkpoint')).toContain(
      `topicPartition=${alias}.t-0, upstreamOffset=123, downstreamOffset=135`,
    );
    expect(await format(remoteHeartbeatsTopic(alias), 'Heartbeat')).toContain(
      `sourceClusterAlias=${alias}, targetClusterAlias=central, timestamp=`,
    );
    expect(await format(offsetSyncsTopic(alias), 'OffsetSync')).toContain(
      'topicPartition=t-0, upstreamOffset=499, downstreamOffset=548',
    );
  },
  180_000,
);

test.skipIf(kafkaMissing)(
  "Apache's readers with IdentityReplicationPolicy find the same in topics that kept their names",
  async () => {
    const { bootstrap, close } = await startKafka();
    onTestFinished(close);
    const open = () =>
      openKafka({ brokers: [bootstrap], clientId: 'apache-readers' }, { log: silentLog });
    const alias = 'factory-a';
    const world = await MirrorWorld.open({}, { alias, open, naming: 'identity' });
    onTestFinished(() => world.close());
    await world.report([group('line-dashboard', 123)]);
    for (let i = 0; i < 20; i++) {
      await world.land(i * 10, 10);
      await world.landOther(3);
    }
    await told(world);
    const [view] = await world.mirror.groups(alias);
    expect(view!.remote).toMatchObject({ topic: 't', exactness: 'exact' });
    const seen = await mirrorView(bootstrap, alias, ['line-dashboard'], {
      'replication.policy.class': 'org.apache.kafka.connect.mirror.IdentityReplicationPolicy',
      'source.cluster.alias': alias,
    });
    expect(seen.upstreamClusters).toContain(alias);
    expect(seen.replicationHops).toBe(1);
    expect(seen.heartbeatTopics).toContain(remoteHeartbeatsTopic(alias));
    const found = [{ topic: 't', partition: 0, offset: view!.remote!.offset, metadata: '' }];
    expect(seen.groups['line-dashboard']).toEqual({
      ...{ translateOffsets: found, remoteConsumerOffsets: found },
    });
  },
  180_000,
);
