import type { TopicInfo } from '#shared/kafka/kafka.ts';
import { splitRemoteTopic } from '#shared/wire/topic-name.ts';
import { type CopySource, planFills } from './shard-copies.ts';
import type { ShardState } from './shard-state.ts';

/** What flows copy, by the settings. */
export interface CopyFlows {
  /** Flows that take this topic, which others write. */
  externalTargets(topic: string): readonly { into: string; start: 'earliest' | 'latest' }[];
  /** Flows that take all of this remote topic, however old. */
  fillTargets(remoteTopic: string): readonly string[];
  /** All flows that take this remote topic as it lands. */
  feedTargets(remoteTopic: string): readonly string[];
  /** Whether there are any; without, nothing is looked for. */
  readonly any: boolean;
}

/** A partition that is copied, as the cluster has it. */
export interface FoundSource extends CopySource {
  /** 32 hexadecimal digits. */
  incarnation: string;
  partitions: number;
  start: 'earliest' | 'latest';
}

/** Of topics that others write. */
export function* externalSources(
  topics: readonly TopicInfo[],
  flows: CopyFlows,
  isOurs: (topic: string) => boolean,
): Generator<FoundSource> {
  for (const { topic, id, internal, partitions } of topics) {
    if (internal || isOurs(topic)) continue;
    for (const { into, start } of flows.externalTargets(topic)) {
      for (const { partition } of partitions) {
        const source = { into, from: topic, partition, own: false };
        yield { ...source, incarnation: id, partitions: partitions.length, start };
      }
    }
  }
}

/** Of a shard's own remote topics: what is older than a flow. */
export function* fillSources(
  topics: ReadonlyMap<string, TopicInfo>,
  flows: CopyFlows,
  state: ShardState,
): Generator<FoundSource> {
  for (const source of planFills(state, flows)) {
    const info = topics.get(source.from);
    if (!info) continue;
    const { id: incarnation, partitions } = info;
    yield { ...source, incarnation, partitions: partitions.length, start: 'earliest' };
  }
}

/** `plant-b.orders` comes from plant-b; a topic without a prefix from this cluster, `alias`. */
export const originOf = (from: string, alias: string): { alias: string; topic: string } =>
  splitRemoteTopic(from) ?? { alias, topic: from };
