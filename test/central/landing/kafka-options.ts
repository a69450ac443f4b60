import type { KafkaLandingOptions } from '#central/landing/kafka.ts';

/** One shard, nothing old, short patience. */
export const kafkaOptions: KafkaLandingOptions = {
  alias: 'central',
  naming: 'default',
  shards: 1,
  replicationFactor: 1,
  partitions: 1,
  mm2Heartbeats: true,
  mm2Checkpoints: true,
  flows: '[]',
  copies: { externalTargets: () => [], fillTargets: () => [], feedTargets: () => [], any: false },
  retentionMs: Number.POSITIVE_INFINITY,
  longestOutageMs: 30 * 86_400_000,
  transactionBytes: 16 * 1024 * 1024,
  lingerMs: 0,
  transactionTimeoutMs: 10_000,
  commitTimeoutMs: 2_000,
};
