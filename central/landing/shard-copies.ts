import { batchField, batchHeaderBytes } from '#shared/wire/batch-layout.ts';
import { restampProducer } from '#shared/wire/record-batch.ts';
import type { CopyRow } from './kafka-rows.ts';
import { LandingError, type LossWrite } from './landing.ts';
import { copyKey, type ShardState } from './shard-state.ts';

/** What a flow takes from a topic that its shard does not merge as it lands. */
export interface CopySource {
  into: string;
  from: string;
  partition: number;
  /** A remote topic of ours, which the shard takes over once all that is older is in. */
  own: boolean;
}

/** A piece of it: lands in one transaction with how far the copy has come. */
export interface CopyWrite extends CopySource {
  /** What the copier went by; null: nothing yet. */
  seen: CopyRow | null;
  row: CopyRow;
  /** Sealed, in order; `count` records each. */
  batches: { batch: Uint8Array; count: number }[];
  losses: { alias: string; loss: LossWrite }[];
}

/** The row as it will stand; throws a LandingError `refused` where the copier went by an old one. */
export function admitCopy(
  write: CopyWrite,
  committed: CopyRow | undefined,
  ends: { committed: number; hasMore: boolean },
): CopyRow {
  const { seen, row, own } = write;
  const isNext = (committed?.next ?? -1) === (seen?.next ?? -1);
  if (!isNext || (committed && committed.incarnation !== seen?.incarnation) || committed?.live) {
    const where = `${write.from}/${write.partition} into ${write.into}`;
    throw new LandingError('refused', `the copy of ${where} has come to ${committed?.next}`);
  }
  return own && !ends.hasMore && row.next >= ends.committed ? { ...row, live: true } : row;
}

/** Behind the last record that the shard landed in a partition of a remote topic. */
export function remoteEnd(state: ShardState, remoteTopic: string, partition: number): number {
  let end = 0;
  for (const { streams } of state.aliases.values()) {
    for (const { id, row } of streams.values()) {
      if (row.remoteTopic === remoteTopic && id.partition === partition) {
        end = Math.max(end, row.remoteOffset);
      }
    }
  }
  return end;
}

/** Into which merged topics a remote topic goes: all, and those that also want what is older. */
export interface FillFlows {
  feedTargets(remoteTopic: string): readonly string[];
  fillTargets(remoteTopic: string): readonly string[];
}

/**
 * Copies that flows need from this shard's own topics: what landed before the flow was there. Held
 * as rows that are not committed yet, so that nothing newer is merged before them.
 */
export function planFills(state: ShardState, flows: FillFlows): CopySource[] {
  const fed = new Set<string>();
  const wanted = new Map<string, CopySource>();
  for (const { streams } of state.aliases.values()) {
    for (const { id, row } of streams.values()) {
      // What several sites write is nobody's past.
      if (row.remoteTopic === null || state.topics.get(row.remoteTopic)?.naming) continue;
      const isBegun = (into: string): boolean =>
        state.copies.get(copyKey(into, row.remoteTopic!, id.partition))?.live === false;
      // What has begun is brought to its end, whatever the flow says by now: else it stays shut.
      const begun = flows.feedTargets(row.remoteTopic).filter(isBegun);
      for (const into of new Set([...flows.fillTargets(row.remoteTopic), ...begun])) {
        const source = { into, from: row.remoteTopic, partition: id.partition, own: true };
        const key = copyKey(into, source.from, source.partition);
        if (into in row.merged && !isBegun(into)) fed.add(key);
        else wanted.set(key, source);
      }
    }
  }
  const fills: CopySource[] = [];
  for (const [key, source] of wanted) {
    const row = state.copies.get(key);
    if (row?.live || (!row && fed.has(key))) continue;
    fills.push(source);
  }
  return fills;
}

/** A batch as Kafka's log holds it, as it was when it was sealed; bytes are a copy. */
export function unsealed(bytes: Uint8Array): { batch: Buffer; count: number } {
  const batch = Buffer.from(bytes);
  batch.fill(0, batchField.baseOffset, batchField.batchLength);
  batch.writeInt32BE(-1, batchField.leaderEpoch);
  // Only the compression: neither transactional nor anything else that the first log put there.
  batch.writeInt16BE(batch.readInt16BE(batchField.attributes) & 0b111, batchField.attributes);
  restampProducer(batch, { producerId: -1n, producerEpoch: -1, baseSequence: -1 });
  if (batch.length < batchHeaderBytes) throw new RangeError('no batch');
  return { batch, count: batch.readInt32BE(batchField.count) };
}
