import { randomBytes } from 'node:crypto';
import type { Kafka } from '#shared/kafka/kafka.ts';
import { Backoff } from '#shared/std/backoff.ts';
import { type Clock, isoTime } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import { readBatchHeader } from '#shared/wire/record-batch.ts';
import { BesideWriter } from './kafka-beside.ts';
import type { CopyFlows } from './kafka-copy-sources.ts';
import { Follower } from './kafka-follower.ts';
import { KafkaLanding } from './kafka-landing.ts';
import { ownTopics } from './kafka-names.ts';
import { groupOwners, type Owners, type OwnersOptions } from './kafka-owners.ts';
import { KafkaRegistry } from './kafka-registry.ts';
import {
  compactedConfigs,
  type DataTopicSettings,
  dataConfigs,
  ledgerConfigs,
  stateConfigs,
  type TopicAges,
} from './kafka-topic-configs.ts';
import { TopicWatch } from './kafka-topic-watch.ts';
import { TopicKeeper, type TopicNeed } from './kafka-topics.ts';
import { LandingError } from './landing.ts';
import type { ShardSettings } from './shard.ts';
import { targetsOf } from './shard-commit.ts';
import type { GroupStage } from './shard-stage.ts';

export interface KafkaLandingOptions extends DataTopicSettings, ShardSettings {
  /** Central's own alias: MirrorMaker 2's name for the target. */
  alias: string;
  /** Partitions of `tributary.checkpoints`; fixed when that is made. */
  shards: number;
  replicationFactor: number;
  /** Least partitions of topics that are made; a site with more gets more. */
  partitions: number;
  /** `heartbeats` and `<alias>.heartbeats`, for tools of MirrorMaker 2. */
  mm2Heartbeats: boolean;
  /** `<alias>.checkpoints.internal` and `mm2-offset-syncs.<alias>.internal`, likewise. */
  mm2Checkpoints: boolean;
  /** Names the flows of this collector. */
  flows: string;
  copies: CopyFlows;
}

export interface KafkaLandingDeps {
  /** Closed with the landing. */
  kafka: Kafka;
  clock: Clock;
  log: Logger;
  owners?: (options: OwnersOptions) => Owners;
  signal?: AbortSignal;
}

/**
 * The landing in a Kafka cluster. Waits for Kafka where that does not answer yet; resolves when all
 * that is committed was read. Rejects with a LandingError `refused` where the cluster does not fit
 * the settings.
 */
export async function openKafkaLanding(
  options: KafkaLandingOptions,
  deps: KafkaLandingDeps,
): Promise<KafkaLanding> {
  const { kafka, clock, log, owners = groupOwners } = deps;
  const topics = new TopicKeeper({
    admin: kafka.admin,
    log,
    replicationFactor: options.replicationFactor,
  });
  const shards = await patiently(deps, () => ensureOwn(kafka, topics, options));
  const follower = new Follower({ kafka, clock, log });
  const registry = new KafkaRegistry({ kafka, follower, clock });
  await patiently(deps, () => registry.open());
  const centralId = await patiently(deps, () => centralIdOf(registry));
  const currentFlows = () => registry.get(flowsKey) ?? null;
  const madeWith = dataConfigs(options);
  const landing = new KafkaLanding({
    ...{ kafka, clock, log, follower, registry, shards, centralId, alias: options.alias },
    signal: deps.signal,
    flows: options.copies,
    troublesOf: (topic) => topics.troublesOf(topic),
    topicSettings: {
      ...{ madeWith, naming: options.naming },
      measureBy: (followed) => topics.measureBy(followed),
      changed: (topic) => topics.look(topic, topics.seen.get(topic)?.configs ?? madeWith),
    },
    watchTopics: (names) =>
      new TopicWatch({ keeper: topics, clock, topics: names, wanted: madeWith }),
    shardParts: {
      settings: options,
      prepare: (stage) => prepare(stage, topics, options, clock.now()),
      forget: (topic) => topics.forget(topic),
    },
    beside: new BesideWriter({
      ...{ topics, clock, log, alias: options.alias },
      ...{ heartbeats: options.mm2Heartbeats, checkpoints: options.mm2Checkpoints },
    }),
    joinOwners: (linkUrl, onShards) =>
      owners({
        ...{ kafka, log, shards, currentFlows },
        facts: { linkUrl, flows: options.flows },
        onShards: (mine, flows) => {
          onShards(mine);
          if (mine.length > 0) keepFlows(registry, flows, log);
        },
      }),
  });
  await patiently(deps, () => landing.readAll());
  return landing;
}

const flowsKey = '#flows';
const centralKey = '#central';

/**
 * Our own topics, partitioned by shards. As many as there were once: another number would send
 * aliases to other shards.
 */
async function ensureOwn(
  kafka: Kafka,
  topics: TopicKeeper,
  options: KafkaLandingOptions,
): Promise<number> {
  const [made] = await kafka.admin.topics([ownTopics.checkpoints]);
  const shards = made?.partitions.length ?? options.shards;
  const need = (topic: string, partitions: number, configs: TopicNeed['configs']): TopicNeed => {
    return { topic, partitions, ours: false, configs };
  };
  const refused = await topics.ensure([
    need(ownTopics.registry, 1, compactedConfigs),
    need(ownTopics.checkpoints, shards, stateConfigs),
    need(ownTopics.fleet, shards, stateConfigs),
    need(ownTopics.losses, shards, ledgerConfigs),
    need(ownTopics.index, shards, dataConfigs(options)),
  ]);
  for (const error of refused.values()) throw error;
  return shards;
}

/** Makes every topic ready that the group lands in. What cannot be had comes back by topic. */
async function prepare(
  stage: GroupStage,
  topics: TopicKeeper,
  options: KafkaLandingOptions,
  now: number,
): Promise<Map<string, LandingError>> {
  const data = dataConfigs(options);
  const needs = new Map<string, TopicNeed>();
  for (const { segment } of stage.moves) {
    for (const { topic } of targetsOf(segment)) {
      const least = Math.max(options.partitions, needs.get(topic)?.partitions ?? 0);
      const partitions = Math.max(least, segment.partitionCount);
      needs.set(topic, { topic, partitions, ours: stage.wasOurs(topic), configs: data });
    }
  }
  for (const { write } of stage.copies.values()) {
    const topic = write.into;
    const least = Math.max(options.partitions, needs.get(topic)?.partitions ?? 0);
    const partitions = Math.max(least, write.partition + 1);
    needs.set(topic, { topic, partitions, ours: stage.wasOurs(topic), configs: data });
  }
  const refused = await topics.ensure(needs.values());
  for (const topic of needs.keys()) {
    const made = topics.made(topic);
    if (made !== undefined) stage.made.set(topic, made);
  }
  for (const { segment } of stage.moves) {
    for (const { topic } of targetsOf(segment)) {
      const held = heldBack(segment.batch, topic, topics.ages(topic), now);
      if (held) refused.set(topic, held);
    }
  }
  return refused;
}

/** Before that no gateway of ours existed: its clock was not set, and says nothing of its age. */
const clocksBegin = Date.UTC(2015, 0, 1);

/** A backlog that Kafka would delete as soon as it landed waits until somebody has seen to it. */
function heldBack(
  batch: Uint8Array,
  topic: string,
  ages: TopicAges | undefined,
  now: number,
): LandingError | undefined {
  const { maxTimestamp } = readBatchHeader(batch);
  if (!ages || maxTimestamp < clocksBegin || now - maxTimestamp < ages.retentionMs)
    return undefined;
  return new LandingError(
    'refused',
    `held back: records of ${isoTime(maxTimestamp)} are older than retention.ms = ` +
      `${ages.retentionMs} of topic "${topic}", and Kafka would delete them at once; raise it`,
    { at: { topic } },
  );
}

async function centralIdOf(registry: KafkaRegistry): Promise<string> {
  await registry.change(() =>
    registry.get(centralKey) === undefined
      ? [{ key: centralKey, value: JSON.stringify({ id: randomBytes(16).toString('hex') }) }]
      : [],
  );
  return (JSON.parse(registry.get(centralKey)!) as { id: string }).id;
}

function keepFlows(registry: KafkaRegistry, flows: string, log: Logger): void {
  if (registry.get(flowsKey) === flows) return;
  registry
    .change(() => [{ key: flowsKey, value: flows }])
    .catch((error: unknown) => {
      log.warn({ err: error }, 'the flows could not be registered');
    });
}

/** Until Kafka answers: it may come up after us, or be away for long. */
async function patiently<T>(deps: KafkaLandingDeps, task: () => Promise<T>): Promise<T> {
  const backoff = new Backoff({ baseMs: 200, maxMs: 5_000, random: Math.random });
  for (;;) {
    try {
      return await task();
    } catch (error) {
      const { code } = error as { code?: string };
      if (code !== 'unavailable' || deps.signal?.aborted) throw error;
      if (backoff.attempts % 10 === 0) deps.log.warn({ err: error }, 'waiting for Kafka');
      await deps.clock.sleep(backoff.next(), deps.signal);
    }
  }
}
