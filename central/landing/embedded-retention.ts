import type { Database } from 'better-sqlite3';

/** One step's bounds, so that a commit never waits longer than a few milliseconds for one. */
const rowsPerStep = 256;
const bytesPerStep = 4 * 1024 * 1024;
const pagesPerStep = 256;
const clockAheadMs = 3_600_000;

interface OldestRow {
  logId: number;
  partitionId: number;
  end: number;
  batchId: number;
  landedAt: number;
}

const statements = (db: Database) => ({
  oldest: db.prepare<[number], OldestRow>(`
    SELECT log_id AS logId, partition_id AS partitionId, base_offset + count AS end,
      batch_id AS batchId, landed_at AS landedAt
    FROM log ORDER BY log_id LIMIT ?`),
  stampAhead: db.prepare<[{ now: number }]>(`
    UPDATE log SET landed_at = @now WHERE log_id < coalesce(
      (SELECT log_id FROM log WHERE landed_at <= @now ORDER BY log_id LIMIT 1), 9e18)`),
  dropRow: db.prepare<[number]>('DELETE FROM log WHERE log_id = ?'),
  moveStart: db.prepare<[number, number]>(
    'UPDATE partitions SET start_offset = ? WHERE partition_id = ?',
  ),
  isUsed: db.prepare<[number], number>('SELECT 1 FROM log WHERE batch_id = ? LIMIT 1').pluck(),
  size: db
    .prepare<[number], number>('SELECT length(batch) FROM batches WHERE batch_id = ?')
    .pluck(),
  dropBatch: db.prepare<[number]>('DELETE FROM batches WHERE batch_id = ?'),
});

/**
 * Keeps the file within its cap and the log within its age. Rows go in landing order, so that each
 * partition loses its oldest; a batch goes with the last row that names it. Age counts from
 * landing, not from the record's own time: a backlog of last month is kept as long as everything
 * else.
 */
export class Retention {
  readonly #database: Database;
  readonly #sql: ReturnType<typeof statements>;
  readonly #retentionMs: number;
  readonly #pageBytes: number;
  readonly #pagesMax: number;
  /** Pages kept free inside the file, so that commits rarely have to make room themselves. */
  readonly #pagesFree: number;

  constructor(database: Database, options: { retentionMs: number; maxBytes: number }) {
    this.#database = database;
    this.#sql = statements(database);
    this.#retentionMs = options.retentionMs;
    this.#pageBytes = this.#pragma('page_size');
    this.#pagesMax = Math.floor(options.maxBytes / this.#pageBytes);
    this.#pagesFree = Math.min(
      Math.floor(this.#pagesMax / 16),
      Math.floor((64 * 1024 * 1024) / this.#pageBytes),
    );
    this.#capFile();
  }

  get fileBytes(): number {
    return this.#pragma('page_count') * this.#pageBytes;
  }

  /** One bounded step; false when there is nothing to do for now. */
  step(time: number): boolean {
    const now = Math.round(time);
    if (this.#dropToFit(this.#pagesFree)) return true;
    this.#stampAhead(now);
    if (this.#drop((row) => row.landedAt < now - this.#retentionMs)) return true;
    return this.#shrink();
  }

  /** Drops the oldest until `bytes` fit under the cap, or nothing is left. Steps that it took. */
  makeRoom(bytes: number): number {
    const pages = Math.ceil(bytes / this.#pageBytes) + 64;
    let steps = 0;
    while (this.#dropToFit(pages)) steps += 1;
    return steps;
  }

  /**
   * One step towards `pages` unused ones; false when they are there, or nothing is left to drop.
   */
  #dropToFit(pages: number): boolean {
    const missing = this.#usedPages() + pages - this.#pagesMax;
    return missing > 0 && this.#drop(() => true, missing * this.#pageBytes);
  }

  /** Landed while the clock was far ahead: counts from now, or it would hold back all behind it. */
  #stampAhead(now: number): void {
    const first = this.#sql.oldest.get(1);
    if (first && first.landedAt > now + clockAheadMs) this.#sql.stampAhead.run({ now });
  }

  /**
   * Drops the oldest rows as long as `goes` says so, up to a step's bounds; false when none went.
   */
  #drop(goes: (row: OldestRow) => boolean, bytesWanted = bytesPerStep): boolean {
    const first = this.#sql.oldest.get(1);
    if (!first || !goes(first)) return false;
    this.#database.transaction(() => {
      let bytes = 0;
      for (const row of this.#sql.oldest.all(rowsPerStep)) {
        if (bytes >= Math.min(bytesWanted, bytesPerStep) || !goes(row)) break;
        this.#sql.dropRow.run(row.logId);
        this.#sql.moveStart.run(row.end, row.partitionId);
        if (this.#sql.isUsed.get(row.batchId)) continue;
        bytes += this.#sql.size.get(row.batchId) ?? 0;
        this.#sql.dropBatch.run(row.batchId);
      }
    })();
    return true;
  }

  /** Gives free pages back to the disk, beyond those that the next commits will want. */
  #shrink(): boolean {
    const free = this.#pragma('freelist_count');
    if (free <= this.#pagesFree) return false;
    this.#database.exec(
      `PRAGMA incremental_vacuum(${Math.min(pagesPerStep, free - this.#pagesFree)})`,
    );
    this.#capFile();
    return true;
  }

  #usedPages(): number {
    return this.#pragma('page_count') - this.#pragma('freelist_count');
  }

  /**
   * SQLite itself refuses to grow the file further; a cap below the present size waits for #shrink.
   */
  #capFile(): void {
    this.#database.pragma(`max_page_count = ${this.#pagesMax}`);
  }

  #pragma(name: 'page_count' | 'freelist_count' | 'page_size'): number {
    return this.#database.pragma(name, { simple: true }) as number;
  }
}
