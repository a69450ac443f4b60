import type { OutgoingBatch, TopicPartition } from '#shared/kafka/kafka.ts';
import { limits } from '#shared/wire/limits.ts';
import type { LossRecord } from '#shared/wire/link.ts';
import { recordBytes, type WireRecord } from '#shared/wire/record.ts';
import { sealBatch } from '#shared/wire/record-batch.ts';
import { encodeIndexEntry } from './index-entry.ts';
import { ownTopics } from './kafka-names.ts';
import { type Row, toRecord } from './kafka-rows.ts';
import type { IndexEntry } from './landing.ts';
import { type Move, targetsOf } from './shard-commit.ts';
import type { GroupStage } from './shard-stage.ts';

/** The sealed segments of a group, each for its remote topic and for its merged topics. */
export function dataBatches(moves: readonly Move[]): OutgoingBatch[] {
  return moves.flatMap(({ segment }) =>
    targetsOf(segment).map(({ topic }) => ({
      topic,
      partition: segment.partition,
      batch: segment.batch,
    })),
  );
}

/** What copies bring; behind the segments of the group. */
export function copyBatches({ copies }: GroupStage): OutgoingBatch[] {
  return [...copies.values()].flatMap(({ write }) =>
    write.batches.map(({ batch }) => {
      return { topic: write.into, partition: write.partition, batch };
    }),
  );
}

/** Where each segment of a group landed; offsets in the order of {@link dataBatches}. */
export function indexOf(moves: readonly Move[], offsets: readonly number[]): IndexEntry[] {
  let at = 0;
  return moves.map(({ alias, segment }) => {
    const [remote, ...merged] = targetsOf(segment);
    const { epoch, topic, partition, first, count, runs } = segment;
    return {
      ...{ alias, epoch, topic, partition, first, count },
      remote: { topic: remote!.topic, offset: offsets[at++]! },
      merged: merged.map(({ topic }) => ({ topic, offset: offsets[at++]! })),
      runs: [...runs],
    };
  });
}

/** What a transaction tells in the shard's partitions of our own topics, wherever it lands. */
export function toldBatches(shard: number, at: number, stage: GroupStage): OutgoingBatch[] {
  return [
    ...into(ownTopics.losses, shard, stage.losses.map(lossRecord)),
    ...into(ownTopics.fleet, shard, [...heartbeats(stage, at)]),
  ];
}

/** Where it landed, likewise. */
export function rowBatches(
  shard: number,
  at: number,
  { rows, index }: { rows: Row[]; index: IndexEntry[] },
): OutgoingBatch[] {
  const entries = index.map((entry) => keyed(entry.alias, encodeIndexEntry(entry), at));
  const records = rows.map((row) => toRecord(row, at));
  return [...into(ownTopics.index, shard, entries), ...into(ownTopics.checkpoints, shard, records)];
}

/** The partitions that {@link rowBatches} goes to, which are known before the offsets are. */
export const placesOfRows = (shard: number, { moves }: GroupStage): TopicPartition[] =>
  (moves.length > 0 ? [ownTopics.index, ownTopics.checkpoints] : [ownTopics.checkpoints]).map(
    (topic) => ({ topic, partition: shard }),
  );

const into = (topic: string, partition: number, records: WireRecord[]): OutgoingBatch[] =>
  sealed(records).map((batch) => ({ topic, partition, batch }));

function lossRecord({ alias, at, loss }: GroupStage['losses'][number]): WireRecord {
  const { partitionCount: _, ...rest } = loss;
  const record: LossRecord = { alias, ...rest, landedAt: at };
  return keyed(alias, JSON.stringify(record), at);
}

function* heartbeats({ aliases }: GroupStage, at: number): Generator<WireRecord> {
  for (const { alias, heartbeat, changed, gone } of aliases.values()) {
    if (gone) yield { key: Buffer.from(alias), value: null, headers: [], timestamp: at };
    else if (changed.has('heartbeat')) yield keyed(alias, JSON.stringify(heartbeat), at);
  }
}

const keyed = (key: string, json: string, timestamp: number): WireRecord => ({
  key: Buffer.from(key),
  value: Buffer.from(json),
  headers: [],
  timestamp,
});

/** What each record takes more than its bytes, and the header of the batch. */
const overheadBytes = 128;

/** As few batches as the limits allow. */
export function sealed(records: readonly WireRecord[]): Buffer[] {
  const batches: Buffer[] = [];
  let start = 0;
  let bytes = overheadBytes;
  for (const [at, record] of records.entries()) {
    const size = recordBytes(record) + overheadBytes;
    const full = bytes + size > limits.segmentBytes || at - start >= limits.segmentRecords;
    if (full && at > start) {
      batches.push(sealBatch(records.slice(start, at), { compression: 'zstd' }));
      start = at;
      bytes = overheadBytes;
    }
    bytes += size;
  }
  if (start < records.length) {
    batches.push(sealBatch(records.slice(start), { compression: 'zstd' }));
  }
  return batches;
}
