import { partitionOf } from '#shared/wire/murmur2.ts';

/** The topics of our own in Kafka (DESIGN §6). */
export const ownTopics = {
  /** Rows of the shards' states, one partition a shard; see kafka-rows.ts. */
  checkpoints: 'tributary.checkpoints',
  /** Where each segment landed; partitioned likewise. */
  index: 'tributary.index',
  /** Alias → loss, JSON; partitioned likewise. */
  losses: 'tributary.losses',
  /** Alias → latest heartbeat, JSON; partitioned likewise. */
  fleet: 'tributary.fleet',
  /** Enrolments, tokens, flows, the central id; one partition. */
  registry: 'tributary.registry',
} as const;

/** The Kafka group that nominates owners of shards; it commits no offsets. */
export const ownersGroup = 'tributary-central';

export const transactionalId = (shard: number): string => `tributary-${shard}`;

/** The shard of an alias, for good: as many as `tributary.checkpoints` has partitions. */
export const shardOf = (alias: string, shards: number): number =>
  partitionOf(Buffer.from(alias), shards);
