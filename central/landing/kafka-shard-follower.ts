import type { LogRecord } from '#shared/kafka/open-records.ts';
import type { Follower } from './kafka-follower.ts';
import { ownTopics } from './kafka-names.ts';
import { fromRecord } from './kafka-rows.ts';
import type { CommittedAlias, CommittedHeartbeat } from './landing.ts';
import type { Shard } from './shard.ts';
import { checkpointOf, type ShardState, summaryOf } from './shard-state.ts';

/** What another collector committed of an alias; undefined: it is gone. */
export type ForeignListener = (alias: string, committed: CommittedAlias | undefined) => void;

/** Folds what is read of a shard's rows into its state. Told is what others committed. */
export function followShard(shard: Shard, follower: Follower, tell: ForeignListener): void {
  const { id: partition, state } = shard;
  const tellOf = (aliases: ReadonlySet<string>): void => {
    for (const alias of aliases) if (!shard.isSettled) tell(alias, committedOf(state, alias));
  };
  follower.add({ topic: ownTopics.checkpoints, partition }, (records) => {
    const touched = new Set<string>();
    for (const record of records) {
      const row = fromRecord(record);
      if (!row) continue;
      state.apply(row);
      if (row.key[0] !== 'topic' && row.key[0] !== 'transaction') touched.add(row.key[1]);
    }
    tellOf(touched);
  });
  follower.add({ topic: ownTopics.fleet, partition }, (records) => {
    const touched = new Set<string>();
    for (const record of records) touched.add(applyHeartbeat(state, record));
    tellOf(touched);
  });
}

function committedOf(state: ShardState, alias: string): CommittedAlias | undefined {
  const entry = state.alias(alias);
  return (
    entry && {
      summary: summaryOf(entry),
      checkpoints: [...entry.streams.values()].map(checkpointOf),
    }
  );
}

function applyHeartbeat(state: ShardState, { key, value }: LogRecord): string {
  const alias = key?.toString('utf8') ?? '';
  const heartbeat = value && (JSON.parse(value.toString('utf8')) as CommittedHeartbeat);
  state.heartbeat(alias, heartbeat);
  return alias;
}
