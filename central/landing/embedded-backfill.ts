import type { Database } from 'better-sqlite3';
import type { Naming } from '#shared/wire/mm2-topics.ts';
import { Unit, type UnitStatements, unitStatements } from './embedded-unit.ts';

const rowsPerStep = 1000;

/** Where the next step goes on: partitions in order, offsets of the remote topic upwards. */
export interface BackfillCursor {
  partition: number;
  offset: number;
}

interface RemoteRow {
  end: number;
  count: number;
  batchId: number;
  checkpointId: number | null;
}

const statements = (db: Database) => ({
  topic: db.prepare<[string], { id: number; count: number }>(`
    SELECT topic_id AS id, partition_count AS count FROM topics
    WHERE topic = ? AND kind = 'remote'`),
  partition: db
    .prepare<[number, number], number>(
      'SELECT partition_id FROM partitions WHERE topic_id = ? AND partition = ?',
    )
    .pluck(),
  newestMerged: db
    .prepare<[{ remote: number; merged: number }], number>(`
    SELECT r.base_offset + r.count FROM log r WHERE r.partition_id = @remote AND EXISTS (
      SELECT 1 FROM log m WHERE m.batch_id = r.batch_id AND m.partition_id = @merged)
    ORDER BY r.base_offset DESC LIMIT 1`)
    .pluck(),
  rows: db.prepare<[number, number, number], RemoteRow>(`
    SELECT base_offset + count AS end, count, batch_id AS batchId,
      (SELECT checkpoint_id FROM checkpoints c WHERE c.checkpoint_id = b.checkpoint_id)
        AS checkpointId
    FROM log JOIN batches b USING (batch_id)
    WHERE partition_id = ? AND base_offset >= ? ORDER BY base_offset LIMIT ?`),
  saveMergedOffset: db.prepare<[number, number, number]>(
    'INSERT OR REPLACE INTO merged_offsets (checkpoint_id, topic_id, end_offset) VALUES (?, ?, ?)',
  ),
});

/**
 * Puts what landed before a flow existed into its merged topic: index rows only, the batches are
 * there. Per partition it begins behind the newest batch that the merged topic has already, so that
 * running it again adds nothing, a crash in the middle is continued, and order per stream holds.
 */
export class Backfill {
  readonly #database: Database;
  readonly #naming: Naming;
  readonly #unitSql: UnitStatements;
  readonly #sql: ReturnType<typeof statements>;

  constructor(database: Database, naming: Naming) {
    this.#database = database;
    this.#naming = naming;
    this.#unitSql = unitStatements(database);
    this.#sql = statements(database);
  }

  /** One bounded transaction; null when all of `remote` is in. */
  step(
    merged: string,
    remote: string,
    cursor: BackfillCursor | null,
    now: number,
  ): BackfillCursor | null {
    const source = this.#sql.topic.get(remote);
    if (!source) return null;
    const partition = cursor?.partition ?? 0;
    if (partition >= source.count) return null;
    const next = this.#database
      .transaction(() => this.#append(merged, source, partition, cursor?.offset ?? 0, now))
      .immediate();
    return next === undefined
      ? { partition: partition + 1, offset: 0 }
      : { partition, offset: next };
  }
  /** Returns where to go on in this partition; undefined at its end. */
  #append(
    merged: string,
    source: { id: number; count: number },
    partition: number,
    offset: number,
    now: number,
  ): number | undefined {
    const unit = new Unit(this.#unitSql, this.#naming);
    const topic = unit.topic(merged, 'merged', source.count);
    const remoteId = this.#sql.partition.get(source.id, partition);
    let rows: RemoteRow[] = [];
    if (remoteId !== undefined) {
      const from = offset > 0 ? offset : this.#firstMissing(remoteId, topic.id, partition);
      rows = this.#sql.rows.all(remoteId, from, rowsPerStep);
    }
    for (const { batchId, count, checkpointId } of rows) {
      const end = unit.append(topic, partition, batchId, count, Math.round(now));
      if (checkpointId !== null) this.#sql.saveMergedOffset.run(checkpointId, topic.id, end);
    }
    unit.save();
    return rows.length < rowsPerStep ? undefined : rows.at(-1)!.end;
  }

  #firstMissing(remoteId: number, mergedTopicId: number, partition: number): number {
    const mergedId = this.#sql.partition.get(mergedTopicId, partition);
    if (mergedId === undefined) return 0;
    return this.#sql.newestMerged.get({ remote: remoteId, merged: mergedId }) ?? 0;
  }
}
