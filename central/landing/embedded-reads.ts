import type { Database } from 'better-sqlite3';
import type { LossRecord, StreamId } from '#shared/wire/link.ts';
import { landedTopic, type Naming } from '#shared/wire/mm2-topics.ts';
import type { AliasState, AliasSummary, Checkpoint, CheckpointRow, TopicRow } from './landing.ts';

const checkpointColumns = `
  c.epoch, c.topic, c.partition, c.partition_count AS partitionCount, c.through,
  c.landed_records AS landedRecords, c.landed_bytes AS landedBytes, c.lost_records AS lostRecords,
  c.remote_offset AS remoteOffset, c.accepted_at AS acceptedAt, c.landed_at AS landedAt, c.session,
  c.source_incarnation AS sourceIncarnation, c.source_next AS sourceNext`;

type StoredAlias = Omit<AliasState, 'sessionUsed' | 'adoptAllowed' | 'disabled' | 'checkpoints'> & {
  id: number;
  sessionUsed: number;
  adoptAllowed: number;
  disabled: number;
};

type StoredSummary = Omit<AliasSummary, 'disabled' | 'heartbeat'> & {
  disabled: number;
  receivedAt: number | null;
  heartbeat: string | null;
};

interface StoredTopic {
  id: number;
  topic: string;
  kind: TopicRow['kind'];
  naming: Naming;
  count: number;
}

type StoredRow = Checkpoint & { alias: string; remote: string | null; merged: string };

/** `limit` sealed batches' worth of a partition, for the reader to open. */
export interface BatchPage {
  /** Of the partition: first and next free offset. */
  start: number;
  end: number;
  batches: { baseOffset: number; batch: Uint8Array }[];
}

/** What a page may make the reader hold, sealed. */
const pageBytesMax = 2 * 1024 * 1024;

const statements = (db: Database) => ({
  alias: db.prepare<[string], StoredAlias>(`
    SELECT alias_id AS id, alias, epoch, session, session_used AS sessionUsed, lineage,
      adopt_allowed AS adoptAllowed, disabled, first_seen_at AS firstSeenAt
    FROM aliases JOIN lineages USING (alias_id) WHERE alias = ?`),
  positions: db.prepare<[number], Checkpoint>(
    `SELECT ${checkpointColumns} FROM checkpoints c WHERE alias_id = ? ORDER BY checkpoint_id`,
  ),
  aliases: db.prepare<[], StoredSummary>(`
    SELECT alias, epoch, session, first_seen_at AS firstSeenAt, disabled,
      landed_records AS landedRecords, lost_records AS lostRecords,
      received_at AS receivedAt, heartbeat
    FROM aliases LEFT JOIN fleet USING (alias_id) ORDER BY alias`),
  checkpoints: db.prepare<[{ alias: string | null; topic: string | null }], StoredRow>(`
    SELECT a.alias, ${checkpointColumns},
      (SELECT topic FROM topics WHERE topic_id = c.remote_topic_id) AS remote,
      (SELECT json_group_array(json_object('topic', t.topic, 'offset', m.end_offset))
        FROM merged_offsets m JOIN topics t USING (topic_id)
        WHERE m.checkpoint_id = c.checkpoint_id
          AND m.topic_id IS NOT c.remote_topic_id) AS merged
    FROM aliases a JOIN checkpoints c USING (alias_id)
    WHERE (@alias IS NULL OR a.alias = @alias) AND (@topic IS NULL OR c.topic = @topic)
    ORDER BY a.alias, c.checkpoint_id`),
  lossesOf: db
    .prepare<[{ alias: string; since: number; limit: number }], string>(`
      SELECT loss FROM losses WHERE alias = @alias AND landed_at >= @since
      ORDER BY number LIMIT @limit`)
    .pluck(),
  losses: db
    .prepare<[{ since: number; limit: number }], string>(`
      SELECT loss FROM losses WHERE landed_at >= @since
      ORDER BY landed_at, alias, number LIMIT @limit`)
    .pluck(),
  lostWithin: db
    .prepare<[StreamId & { alias: string; first: number; last: number }], number>(`
    SELECT coalesce(sum(min(r.last, @last) - max(r.first, @first) + 1), 0)
    FROM aliases JOIN checkpoints c USING (alias_id) JOIN lost_ranges r USING (checkpoint_id)
    WHERE alias = @alias AND c.epoch = @epoch AND c.topic = @topic AND c.partition = @partition
      AND r.first <= @last AND r.last >= @first`)
    .pluck(),
  topics: db.prepare<[], StoredTopic>(
    'SELECT topic_id AS id, topic, kind, naming, partition_count AS count FROM topics ORDER BY topic',
  ),
  partitions: db.prepare<[number], { partition: number; start: number; end: number }>(
    'SELECT partition, start_offset AS start, end_offset AS end FROM partitions WHERE topic_id = ?',
  ),
  topic: db.prepare<[string], { id: number; count: number }>(
    'SELECT topic_id AS id, partition_count AS count FROM topics WHERE topic = ?',
  ),
  partition: db.prepare<[number, number], { id: number; start: number; end: number }>(`
    SELECT partition_id AS id, start_offset AS start, end_offset AS end
    FROM partitions WHERE topic_id = ? AND partition = ?`),
  batchesFrom: db.prepare<
    [{ partition: number; offset: number }],
    { baseOffset: number; count: number; batch: Buffer }
  >(`
    SELECT base_offset AS baseOffset, count, batch FROM log JOIN batches USING (batch_id)
    WHERE partition_id = @partition AND base_offset >= (
      SELECT base_offset FROM log WHERE partition_id = @partition AND base_offset <= @offset
      ORDER BY base_offset DESC LIMIT 1)
    ORDER BY base_offset`),
});

/** The port's questions. None reads more of the log than the batches it answers with. */
export class Reads {
  readonly #sql: ReturnType<typeof statements>;
  readonly #naming: Naming;

  constructor(database: Database, naming: Naming) {
    this.#naming = naming;
    this.#sql = statements(database);
  }

  load(alias: string): AliasState | undefined {
    const row = this.#sql.alias.get(alias);
    if (!row) return undefined;
    const { id, sessionUsed, adoptAllowed, disabled, ...rest } = row;
    return {
      ...rest,
      sessionUsed: sessionUsed !== 0,
      adoptAllowed: adoptAllowed !== 0,
      disabled: disabled !== 0,
      checkpoints: this.#sql.positions.all(id),
    };
  }

  aliases(): AliasSummary[] {
    return this.#sql.aliases.all().map(({ receivedAt, heartbeat, disabled, ...rest }) => ({
      ...rest,
      disabled: disabled !== 0,
      heartbeat:
        receivedAt === null || heartbeat === null
          ? null
          : { receivedAt, heartbeat: JSON.parse(heartbeat) },
    }));
  }

  checkpoints(filter: { alias?: string; topic?: string }): CheckpointRow[] {
    const { alias = null, topic = null } = filter;
    return this.#sql.checkpoints.all({ alias, topic }).map(({ remote, merged, ...row }) => ({
      ...row,
      // Nothing but losses landed yet.
      remoteTopic: remote ?? landedTopic(row.alias, row.topic, this.#naming),
      merged: JSON.parse(merged),
    }));
  }

  losses(filter: { alias?: string; sinceMs?: number; limit: number }): LossRecord[] {
    const { alias, sinceMs: since = Number.MIN_SAFE_INTEGER, limit } = filter;
    const rows =
      alias === undefined
        ? this.#sql.losses.all({ since, limit })
        : this.#sql.lossesOf.all({ alias, since, limit });
    return rows.map((row) => JSON.parse(row));
  }

  lostWithin(alias: string, stream: StreamId, first: number, last: number): number {
    const { epoch, topic, partition } = stream;
    return this.#sql.lostWithin.get({ alias, epoch, topic, partition, first, last }) ?? 0;
  }

  topics(): TopicRow[] {
    return this.#sql.topics.all().map(({ id, topic, kind, naming, count }) => {
      const partitions = Array.from({ length: count }, (_, partition) => ({
        partition,
        startOffset: 0,
        endOffset: 0,
      }));
      let records = 0;
      for (const { partition, start, end } of this.#sql.partitions.all(id)) {
        partitions[partition] = { partition, startOffset: start, endOffset: end };
        records += end - start;
      }
      const shared = kind === 'remote' && naming === 'identity' ? { shared: true } : {};
      return { topic, kind, ...shared, partitions, records };
    });
  }

  /** Batches from the one that holds `offset` on; undefined when there is no such partition. */
  page(topic: string, partition: number, offset: number, limit: number): BatchPage | undefined {
    const found = this.#sql.topic.get(topic);
    if (!found || partition < 0 || partition >= found.count) return undefined;
    const row = this.#sql.partition.get(found.id, partition);
    if (!row) return { start: 0, end: 0, batches: [] };
    const from = Math.max(offset, row.start);
    const page: BatchPage = { start: row.start, end: row.end, batches: [] };
    if (from >= row.end) return page;
    let bytes = 0;
    const rows = this.#sql.batchesFrom.iterate({ partition: row.id, offset: from });
    for (const { baseOffset, count, batch } of rows) {
      page.batches.push({ baseOffset, batch });
      bytes += batch.length;
      if (bytes >= pageBytesMax || baseOffset + count - from >= limit) break;
    }
    return page;
  }
}
