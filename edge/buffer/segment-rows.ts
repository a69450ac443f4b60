import type { Database, Statement } from 'better-sqlite3';

/** A segment without its bytes. */
export interface SegmentRow {
  id: number;
  log: number;
  /** Position of its first record. */
  pos: number;
  count: number;
  /** Payload, as `recordBytes` counts it. */
  bytes: number;
  /** Of the batch before compression, at most. */
  size: number;
  /** Of the batch as it is. */
  stored: number;
  acceptedFrom: number;
  acceptedTo: number;
  /** Stream under which the batch was sealed. */
  stream: number;
}

export type NewSegment = Omit<SegmentRow, 'id' | 'stored'> & { batch: Buffer };

export interface SegmentSums {
  count: number;
  bytes: number;
  stored: number;
}

const fields =
  'id, log, pos, count, bytes, size, stored, accepted_from AS acceptedFrom, ' +
  'accepted_to AS acceptedTo, stream';

/** The segments of all streams, on disk. */
export class SegmentRows {
  readonly #insert: Statement;
  readonly #at: Statement;
  readonly #after: Statement;
  readonly #before: Statement;
  readonly #tail: Statement;
  readonly #batch: Statement;
  readonly #remove: Statement;
  readonly #removeRange: Statement;
  readonly #sums: Statement;
  readonly #move: Statement;

  constructor(database: Database) {
    const where = `SELECT ${fields} FROM segments WHERE log = ? AND pos`;
    this.#insert = database.prepare(
      `INSERT INTO segments (log, pos, count, bytes, size, stored, accepted_from, accepted_to,
       stream, batch) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#at = database.prepare(`${where} <= ? ORDER BY pos DESC LIMIT 1`);
    this.#after = database.prepare(`${where} >= ? ORDER BY pos LIMIT 1`);
    this.#before = database.prepare(`${where} < ? ORDER BY pos DESC LIMIT 1`);
    this.#tail = database.prepare(`${where} > ? ORDER BY pos DESC LIMIT ?`);
    this.#batch = database.prepare('SELECT batch FROM segments WHERE id = ?').pluck();
    this.#remove = database.prepare('DELETE FROM segments WHERE id = ?');
    this.#removeRange = database.prepare(
      'DELETE FROM segments WHERE log = ? AND pos BETWEEN ? AND ?',
    );
    this.#sums = database.prepare(
      `SELECT coalesce(sum(count), 0) AS count, coalesce(sum(bytes), 0) AS bytes,
       coalesce(sum(stored), 0) AS stored FROM segments WHERE log = ? AND pos BETWEEN ? AND ?`,
    );
    this.#move = database.prepare('UPDATE segments SET pos = ? WHERE id = ?');
  }

  /** Its id. */
  insert(segment: NewSegment): number {
    const { log, pos, count, bytes, size, acceptedFrom, acceptedTo, stream, batch } = segment;
    const stored = batch.length;
    const { lastInsertRowid } = this.#insert.run(
      ...[log, pos, count, bytes, size, stored, acceptedFrom, acceptedTo, stream, batch],
    );
    return Number(lastInsertRowid);
  }

  /** The segment that holds `pos`. */
  holding(log: number, pos: number): SegmentRow | undefined {
    const row = this.#at.get(log, pos) as SegmentRow | undefined;
    return row && row.pos + row.count > pos ? row : undefined;
  }

  /** The first segment that begins at `pos` or behind it. */
  from(log: number, pos: number): SegmentRow | undefined {
    return this.#after.get(log, pos) as SegmentRow | undefined;
  }

  before(log: number, pos: number): SegmentRow | undefined {
    return this.#before.get(log, pos) as SegmentRow | undefined;
  }

  /** The newest ones behind `pos`, in order. */
  tail(log: number, pos: number, limit: number): SegmentRow[] {
    return (this.#tail.all(log, pos, limit) as SegmentRow[]).reverse();
  }

  batch(row: SegmentRow): Buffer {
    return this.#batch.get(row.id) as Buffer;
  }

  remove(row: SegmentRow): void {
    this.#remove.run(row.id);
  }

  sums(log: number, from: number, to: number): SegmentSums {
    return this.#sums.get(log, from, to) as SegmentSums;
  }

  removeRange(log: number, from: number, to: number): SegmentSums {
    const sums = this.sums(log, from, to);
    if (sums.count > 0) this.#removeRange.run(log, from, to);
    return sums;
  }

  moveTo(row: SegmentRow, pos: number): void {
    this.#move.run(pos, row.id);
  }
}
