import { encodeIndexEntry } from '#central/landing/index-entry.ts';
import { ownTopics, shardOf } from '#central/landing/kafka-names.ts';
import { type Row, type StreamRow, toRecord } from '#central/landing/kafka-rows.ts';
import { sealed } from '#central/landing/shard-records.ts';
import type { Kafka, OutgoingBatch } from '#shared/kafka/kafka.ts';
import type { WireRecord } from '#shared/wire/record.ts';

/** What a fleet leaves behind in our own topics, made up: nothing of it ever landed. */
export interface MadeUpFleet {
  edges: number;
  streams: number;
  recordsPerStream: number;
  /** Rows of each stream; all but the newest stand in for what compaction has not come to yet. */
  rowsPerStream: number;
  /** Entries of the index for each stream. */
  indexPerStream: number;
  shards: number;
}

const at = Date.UTC(2026, 0, 1);
const epoch = 'e'.repeat(32);
const session = '5'.repeat(32);
const aliasOf = (edge: number): string => `site-${String(edge).padStart(4, '0')}`;
/** Of one transaction, so that brokers get it in pieces as they would. */
const recordsPerBatch = 2_000;

export async function writeFleet(kafka: Kafka, fleet: MadeUpFleet): Promise<void> {
  const producer = kafka.producer({ transactionalId: 'made-up', transactionTimeoutMs: 60_000 });
  await producer.init();
  let waiting: OutgoingBatch[] = [];
  const flush = async () => {
    if (waiting.length > 0) await producer.send(waiting.splice(0));
    await producer.commit();
    waiting = [];
  };
  for (let round = 1; round <= fleet.rowsPerStream; round++) {
    const records = new Map<string, WireRecord[]>();
    const add = (topic: string, alias: string, record: WireRecord) => {
      const key = `${topic} ${shardOf(alias, fleet.shards)}`;
      records.set(key, [...(records.get(key)?.splice(0) ?? []), record]);
    };
    for (let edge = 0; edge < fleet.edges; edge++) {
      const alias = aliasOf(edge);
      for (const row of rowsOf(alias, round, fleet)) {
        add(ownTopics.checkpoints, alias, toRecord(row, at));
      }
      for (const entry of indexOf(alias, round, fleet)) add(ownTopics.index, alias, entry);
      add(ownTopics.fleet, alias, heartbeatOf(alias, round));
    }
    for (const [key, all] of records) {
      const [topic, partition] = key.split(' ') as [string, string];
      for (let from = 0; from < all.length; from += recordsPerBatch) {
        const batches = sealed(all.slice(from, from + recordsPerBatch));
        waiting.push(...batches.map((batch) => ({ topic, partition: Number(partition), batch })));
      }
    }
    await flush();
  }
}

function* rowsOf(alias: string, round: number, fleet: MadeUpFleet): Generator<Row> {
  const flags = { sessionUsed: true, adoptAllowed: false, disabled: false };
  yield { key: ['alias', alias], value: { epoch, session, ...flags, firstSeenAt: at } };
  if (round === 1) yield { key: ['lineage', alias], value: `{"of":"${alias}"}` };
  const landed = Math.round((fleet.recordsPerStream * round) / fleet.rowsPerStream);
  for (let stream = 0; stream < fleet.streams; stream++) {
    const topic = `readings-${stream}`;
    const value: StreamRow = {
      ...{ partitionCount: 1, through: landed - 1, landedRecords: landed, lostRecords: 0, session },
      ...{ landedBytes: landed * 100, remoteOffset: landed, acceptedAt: at, landedAt: at },
      ...{ sourceIncarnation: '1'.repeat(32), sourceNext: landed },
      ...{ remoteTopic: `${alias}.${topic}`, merged: { [topic]: landed * fleet.edges } },
    };
    yield { key: ['stream', alias, epoch, topic, 0], value };
    yield { key: ['topic', `${alias}.${topic}`], value: { kind: 'remote' } };
  }
}

function* indexOf(alias: string, round: number, fleet: MadeUpFleet): Generator<WireRecord> {
  const { streams, rowsPerStream, indexPerStream, recordsPerStream } = fleet;
  const count = Math.floor(recordsPerStream / indexPerStream);
  for (let stream = 0; stream < streams; stream++) {
    for (let n = round - 1; n < indexPerStream; n += rowsPerStream) {
      const first = n * count;
      const topic = `readings-${stream}`;
      const entry = encodeIndexEntry({
        ...{ alias, epoch, topic, partition: 0, first, count },
        remote: { topic: `${alias}.${topic}`, offset: first },
        merged: [{ topic, offset: first * fleet.edges }],
        runs: [{ sequence: first, sourceOffset: first, count, incarnation: '1'.repeat(32) }],
      });
      yield plain(alias, entry);
    }
  }
}

function heartbeatOf(alias: string, number: number): WireRecord {
  const totals = {
    ...{ acceptedRecords: 0, backlogRecords: 0, backlogBytes: 0, oldestAgeMs: null },
    ...{ lostRecords: 0, lossesPending: 0 },
  };
  const heartbeat = {
    ...{ version: 1, alias, epoch, session, number, agent: '0.1.0', clock: at, intervalMs: 5_000 },
    ...{ totals, sources: [], streams: [] },
    buffer: { usedBytes: 1, maxBytes: 2, whenFull: 'block', blocked: false },
    disk: { freeBytes: 1, totalBytes: 2 },
  };
  return plain(alias, JSON.stringify({ receivedAt: at, heartbeat }));
}

const plain = (key: string, json: string): WireRecord => {
  return { key: Buffer.from(key), value: Buffer.from(json), headers: [], timestamp: at };
};
