import { expect, onTestFinished, test } from 'vitest';
import { openKafka } from '#shared/kafka/open-kafka.ts';
import { silentLog } from '#shared/std/log.ts';
import { encodeMm2Heartbeat } from '#shared/wire/mm2-heartbeat.ts';
import {
  checkpointsTopic,
  heartbeatsTopic,
  offsetSyncsTopic,
  remoteHeartbeatsTopic,
} from '#shared/wire/mm2-topics.ts';
import type { WireRecord } from '#shared/wire/record.ts';
import { sealBatch } from '#shared/wire/record-batch.ts';
import { mirrorView } from '../../kafka/mirror-maker.ts';
import { sharedKafka, sharedKafkaMissing, unique } from '../../kafka/shared.ts';
import { mirrorFormat } from '../../kafka/tools.ts';
import { group, life, MirrorWorld } from './mirror-world.ts';

/** What we write, read by Apache's own classes: RemoteClusterUtils, MirrorClient, formatters. */
test.skipIf(sharedKafkaMissing)(
  "Apache's readers find in our topics what our API says",
  async () => {
    const bootstrap = await sharedKafka();
    const kafka = openKafka(
      { brokers: [bootstrap], clientId: 'apache-readers' },
      { log: silentLog },
    );
    onTestFinished(() => kafka.close());
    const alias = unique('site');
    const world = new MirrorWorld(`${alias}.t`, alias);
    for (let i = 0; i < 50; i++) world.land(i * 10, 10);
    world.report([group('line-dashboard', 123), group('grüße', 500, life, 'métà')]);
    await world.mirror.idle();
    const due = world.mirror.due(alias)!;
    const at = Date.now();
    const beat: WireRecord = {
      ...encodeMm2Heartbeat({ source: alias, target: 'central', timestampMs: at }),
      ...{ headers: [], timestamp: at },
    };
    const topics = [
      ...due.topics,
      { topic: heartbeatsTopic, records: [beat] },
      { topic: remoteHeartbeatsTopic(alias), records: [beat] },
    ];
    for (const { topic } of [...topics, { topic: `${alias}.t` }]) {
      await kafka.admin
        .createTopic({
          ...{ topic, partitions: 1, replicationFactor: 1 },
          configs: { 'cleanup.policy': 'compact' },
        })
        .catch((error: { code: string }) => expect(error.code).toBe('exists'));
    }
    const producer = kafka.producer({ transactionalId: alias, transactionTimeoutMs: 10_000 });
    await producer.init();
    await producer.send(
      topics.map(({ topic, records }) => ({
        topic,
        partition: 0,
        batch: sealBatch(records, { compression: 'zstd' }),
      })),
    );
    await producer.commit();

    const view = await mirrorView(bootstrap, alias, ['line-dashboard', 'grüße', 'nobody']);
    expect(view.upstreamClusters).toContain(alias);
    expect(view.replicationHops).toBe(1);
    expect(view.checkpointTopics).toContain(checkpointsTopic(alias));
    expect(view.heartbeatTopics).toContain(remoteHeartbeatsTopic(alias));
    expect(view.remoteTopicsOfAlias).toContain(`${alias}.t`);
    for (const { group: name, remote, metadata } of world.mirror.groups(alias)) {
      const { topic, offset, exactness } = remote!;
      expect(exactness).toBe('exact');
      const found = [{ topic, partition: 0, offset, metadata }];
      expect(view.groups[name]).toEqual({ translateOffsets: found, remoteConsumerOffsets: found });
    }
    expect(view.groups.nobody!.translateOffsets).toEqual([]);

    expect(await mirrorFormat(bootstrap, checkpointsTopic(alias), 'Checkpoint', 2)).toContain(
      `topicPartition=${alias}.t-0, upstreamOffset=123, downstreamOffset=135`,
    );
    expect(await mirrorFormat(bootstrap, remoteHeartbeatsTopic(alias), 'Heartbeat', 1)).toContain(
      `sourceClusterAlias=${alias}, targetClusterAlias=central, timestamp=${at}`,
    );
    expect(await mirrorFormat(bootstrap, offsetSyncsTopic(alias), 'OffsetSync', 1)).toContain(
      'topicPartition=t-0, upstreamOffset=499, downstreamOffset=548',
    );
  },
  90_000,
);
