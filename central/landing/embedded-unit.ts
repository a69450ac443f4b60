import type { Database } from 'better-sqlite3';
import type { StreamId } from '#shared/wire/link.ts';
import type { Naming } from '#shared/wire/mm2-topics.ts';
import { type Checkpoint, LandingError, type TopicRow } from './landing.ts';

/** One row of `aliases`, as a transaction holds it. */
export interface AliasEntry {
  id: number;
  alias: string;
  epoch: string;
  session: string;
  sessionUsed: number;
  adoptAllowed: number;
  disabled: number;
  landedRecords: number;
  lostRecords: number;
}

/** One row of `checkpoints`, with the offsets in merged topics that this transaction moved. */
export interface CheckpointEntry {
  id: number;
  remoteTopicId: number | null;
  state: Checkpoint;
  merged: Map<number, number>;
}

export interface TopicEntry {
  id: number;
  topic: string;
  kind: TopicRow['kind'];
  /** Under which it has that kind. */
  naming: Naming;
  partitionCount: number;
  partitions: Map<number, PartitionEntry>;
}

interface PartitionEntry {
  id: number;
  end: number;
}

export type UnitStatements = ReturnType<typeof unitStatements>;

export const unitStatements = (db: Database) => ({
  alias: db.prepare<[string], AliasEntry>(`
    SELECT alias_id AS id, alias, epoch, session,
      session_used AS sessionUsed, adopt_allowed AS adoptAllowed, disabled,
      landed_records AS landedRecords, lost_records AS lostRecords
    FROM aliases WHERE alias = ?`),
  addAlias: db.prepare<[string, number]>(`
    INSERT INTO aliases (alias, epoch, session, session_used, adopt_allowed, disabled,
      first_seen_at, landed_records, lost_records) VALUES (?, '', '', 0, 0, 0, ?, 0, 0)`),
  saveAlias: db.prepare(`
    UPDATE aliases SET epoch = @epoch, session = @session,
      session_used = @sessionUsed, adopt_allowed = @adoptAllowed, disabled = @disabled,
      landed_records = @landedRecords, lost_records = @lostRecords WHERE alias_id = @id`),
  checkpoint: db.prepare<[number, string, string, number], Checkpoint & CheckpointKeys>(`
    SELECT checkpoint_id AS checkpointId, remote_topic_id AS remoteTopicId, epoch, topic, partition,
      partition_count AS partitionCount, through, landed_records AS landedRecords,
      landed_bytes AS landedBytes, lost_records AS lostRecords, remote_offset AS remoteOffset,
      accepted_at AS acceptedAt, landed_at AS landedAt, session,
      source_incarnation AS sourceIncarnation, source_next AS sourceNext
    FROM checkpoints WHERE alias_id = ? AND epoch = ? AND topic = ? AND partition = ?`),
  addCheckpoint: db.prepare<[number, string, string, number, string]>(`
    INSERT INTO checkpoints (alias_id, epoch, topic, partition, partition_count, through,
      landed_records, landed_bytes, lost_records, remote_offset, session)
    VALUES (?, ?, ?, ?, 0, -1, 0, 0, 0, 0, ?)`),
  saveCheckpoint: db.prepare(`
    UPDATE checkpoints SET partition_count = @partitionCount, through = @through,
      landed_records = @landedRecords, landed_bytes = @landedBytes, lost_records = @lostRecords,
      remote_topic_id = @remoteTopicId, remote_offset = @remoteOffset, accepted_at = @acceptedAt,
      landed_at = @landedAt, session = @session, source_incarnation = @sourceIncarnation,
      source_next = @sourceNext WHERE checkpoint_id = @id`),
  saveMergedOffset: db.prepare<[number, number, number]>(
    'INSERT OR REPLACE INTO merged_offsets (checkpoint_id, topic_id, end_offset) VALUES (?, ?, ?)',
  ),
  topic: db.prepare<[string], Omit<TopicEntry, 'partitions'>>(`
    SELECT topic_id AS id, topic, kind, naming, partition_count AS partitionCount
    FROM topics WHERE topic = ?`),
  addTopic: db.prepare<[string, string, Naming]>(
    'INSERT INTO topics (topic, kind, naming, partition_count) VALUES (?, ?, ?, 0)',
  ),
  saveTopic: db.prepare(`
    UPDATE topics SET partition_count = @partitionCount, kind = @kind, naming = @naming
    WHERE topic_id = @id`),
  partition: db.prepare<[number, number], PartitionEntry>(`
    SELECT partition_id AS id, end_offset AS end
    FROM partitions WHERE topic_id = ? AND partition = ?`),
  addPartition: db.prepare<[number, number]>(
    'INSERT INTO partitions (topic_id, partition, start_offset, end_offset) VALUES (?, ?, 0, 0)',
  ),
  savePartition: db.prepare<[number, number]>(
    'UPDATE partitions SET end_offset = ? WHERE partition_id = ?',
  ),
  addBatch: db.prepare<[number | null, number | null, string | null, Uint8Array]>(
    'INSERT INTO batches (checkpoint_id, first_sequence, source_runs, batch) VALUES (?, ?, ?, ?)',
  ),
  addLog: db.prepare<[number, number, number, number, number]>(`
    INSERT INTO log (partition_id, base_offset, count, batch_id, landed_at)
    VALUES (?, ?, ?, ?, ?)`),
});

interface CheckpointKeys {
  checkpointId: number;
  remoteTopicId: number | null;
}

/**
 * The rows that one transaction touches: each is read once, changed here and written back once by
 * `save`, before COMMIT. Thrown away after it, so that a rollback leaves nothing behind in memory.
 */
export class Unit {
  readonly #sql: UnitStatements;
  readonly #naming: Naming;
  readonly #aliases = new Map<string, AliasEntry>();
  readonly #checkpoints = new Map<string, CheckpointEntry>();
  readonly #topics = new Map<string, TopicEntry>();

  /** `naming`: that of the sites' topics now. */
  constructor(sql: UnitStatements, naming: Naming) {
    this.#sql = sql;
    this.#naming = naming;
  }

  alias(alias: string): AliasEntry | undefined {
    const entry = this.#aliases.get(alias) ?? this.#sql.alias.get(alias);
    if (entry) this.#aliases.set(alias, entry);
    return entry;
  }

  addAlias(alias: string, at: number): AliasEntry {
    this.#sql.addAlias.run(alias, at);
    return this.alias(alias)!;
  }

  /** Its rows are gone from the tables: drop what is held of them. */
  forget(alias: AliasEntry): void {
    this.#aliases.delete(alias.alias);
    const prefix = `${alias.id}/`;
    for (const key of this.#checkpoints.keys()) {
      if (key.startsWith(prefix)) this.#checkpoints.delete(key);
    }
  }

  checkpoint(alias: AliasEntry, stream: StreamId): CheckpointEntry {
    const key = `${alias.id}/${stream.epoch}/${stream.topic}/${stream.partition}`;
    let entry = this.#checkpoints.get(key);
    if (!entry) {
      const { epoch, topic, partition } = stream;
      let row = this.#sql.checkpoint.get(alias.id, epoch, topic, partition);
      if (!row) {
        this.#sql.addCheckpoint.run(alias.id, epoch, topic, partition, alias.session);
        row = this.#sql.checkpoint.get(alias.id, epoch, topic, partition)!;
      }
      const { checkpointId, remoteTopicId, ...state } = row;
      entry = { id: checkpointId, remoteTopicId, state, merged: new Map() };
      this.#checkpoints.set(key, entry);
    }
    return entry;
  }

  /** Creates the topic where missing; it has at least `partitionCount` partitions from now on. */
  topic(topic: string, kind: TopicRow['kind'], partitionCount: number): TopicEntry {
    let entry = this.#topics.get(topic);
    if (!entry) {
      let row = this.#sql.topic.get(topic);
      if (!row) {
        this.#sql.addTopic.run(topic, kind, this.#naming);
        row = this.#sql.topic.get(topic)!;
      }
      entry = { ...row, partitions: new Map() };
      this.#topics.set(topic, entry);
    }
    if (entry.naming !== this.#naming) Object.assign(entry, { kind, naming: this.#naming });
    if (entry.kind !== kind) {
      throw new LandingError(
        'refused',
        `topic "${topic}" is a ${entry.kind} topic here and cannot be a ${kind} topic too; ` +
          'give the flow another name in [[flow]] into',
        { at: { topic } },
      );
    }
    entry.partitionCount = Math.max(entry.partitionCount, partitionCount);
    return entry;
  }

  addBatch(
    batch: Uint8Array,
    origin?: { checkpoint: CheckpointEntry; first: number; runs: string | null },
  ): number {
    const { checkpoint, first, runs } = origin ?? {};
    const added = this.#sql.addBatch.run(
      checkpoint?.id ?? null,
      first ?? null,
      runs ?? null,
      batch,
    );
    return Number(added.lastInsertRowid);
  }

  /** Appends a batch to a topic-partition; returns the offset behind it. */
  append(topic: TopicEntry, partition: number, batchId: number, count: number, at: number): number {
    const entry = this.#partition(topic, partition);
    this.#sql.addLog.run(entry.id, entry.end, count, batchId, at);
    entry.end += count;
    return entry.end;
  }

  #partition(topic: TopicEntry, partition: number): PartitionEntry {
    let entry = topic.partitions.get(partition);
    if (!entry) {
      entry = this.#sql.partition.get(topic.id, partition);
      if (!entry) {
        const added = this.#sql.addPartition.run(topic.id, partition);
        entry = { id: Number(added.lastInsertRowid), end: 0 };
      }
      topic.partitions.set(partition, entry);
    }
    return entry;
  }

  save(): void {
    for (const entry of this.#aliases.values()) this.#sql.saveAlias.run(entry);
    for (const { id, remoteTopicId, state, merged } of this.#checkpoints.values()) {
      this.#sql.saveCheckpoint.run({ ...state, id, remoteTopicId });
      for (const [topicId, offset] of merged) this.#sql.saveMergedOffset.run(id, topicId, offset);
    }
    for (const topic of this.#topics.values()) {
      const { id, kind, naming, partitionCount } = topic;
      this.#sql.saveTopic.run({ id, kind, naming, partitionCount });
      for (const { id, end } of topic.partitions.values()) this.#sql.savePartition.run(end, id);
    }
  }
}
