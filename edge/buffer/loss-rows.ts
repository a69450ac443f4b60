import type { Database, Statement } from 'better-sqlite3';
import type { StreamId } from '#shared/wire/link.ts';
import type { Loss } from '#shared/wire/loss.ts';
import type { LedgerLoss } from './buffer.ts';

/** A line of the ledger. */
export interface LossRow extends Loss, StreamId {
  id: number;
  log: number;
  pos: number;
  declaredAt: number;
  /** 1: was handed out, so central may know it: it must not change any more. */
  offered: number;
  /** 1: its records may have landed before they were dropped; only central's verdict can tell. */
  doubtful: number;
  /** Records of it that central had landed as records after all. */
  clipped: number;
  landed: number;
}

const fields =
  'id, log, pos, span, records, scope, bytes, accepted_from AS "from", accepted_to AS "to", reason, ' +
  'detail, epoch, topic, partition, first, declared_at AS declaredAt, offered, ' +
  'doubtful, clipped, landed';

/** Landed losses that are kept for a person to look at. */
const landedKept = 10_000;

/** The ledger of losses, on disk. */
export class LossRows {
  readonly #insert: Statement;
  readonly #update: Statement;
  readonly #at: Statement;
  readonly #within: Statement;
  readonly #after: Statement;
  readonly #place: Statement;
  readonly #delete: Statement;
  readonly #newest: Statement;
  readonly #trim: Statement;
  readonly #lastId: Statement;

  constructor(database: Database) {
    const select = `SELECT ${fields} FROM losses`;
    this.#insert = database.prepare(
      `INSERT INTO losses (log, pos, span, records, scope, bytes, accepted_from, accepted_to, reason,
       detail, epoch, topic, partition, first, declared_at, offered, doubtful, clipped, landed)
       VALUES (:log, :pos, :span, :records, :scope, :bytes, :from, :to, :reason,
       :detail, :epoch, :topic, :partition, :first, :declaredAt, 0, :doubtful, 0, 0)`,
    );
    this.#update = database.prepare(
      `UPDATE losses SET pos = :pos, span = :span, records = :records, bytes = :bytes,
       accepted_from = :from, accepted_to = :to, epoch = :epoch, first = :first,
       offered = :offered, doubtful = :doubtful, clipped = :clipped, landed = :landed WHERE id = :id`,
    );
    this.#at = database.prepare(
      `${select} WHERE landed = 0 AND log = ? AND pos <= ? ORDER BY pos DESC LIMIT 1`,
    );
    this.#within = database.prepare(
      `${select} WHERE landed = 0 AND log = ? AND pos BETWEEN ? AND ? ORDER BY pos`,
    );
    this.#after = database.prepare(
      `${select} WHERE landed = 0 AND log = ? AND pos >= ? ORDER BY pos LIMIT 1`,
    );
    this.#place = database.prepare(
      `${select} WHERE epoch = ? AND topic = ? AND partition = ? AND first = ? ORDER BY id DESC LIMIT 1`,
    );
    this.#delete = database.prepare('DELETE FROM losses WHERE id = ?');
    this.#newest = database.prepare(`${select} ORDER BY id DESC LIMIT ?`);
    this.#trim = database.prepare('DELETE FROM losses WHERE landed = 1 AND id <= ?');
    this.#lastId = database.prepare('SELECT max(id) FROM losses').pluck();
  }

  insert(loss: Omit<LossRow, 'id' | 'offered' | 'clipped' | 'landed'>): void {
    this.#insert.run(loss);
  }

  update(loss: LossRow): void {
    this.#update.run(loss);
  }

  remove(loss: LossRow): void {
    this.#delete.run(loss.id);
  }

  /** The loss that has not landed and holds `pos`. */
  holding(log: number, pos: number): LossRow | undefined {
    const row = this.#at.get(log, pos) as LossRow | undefined;
    return row && row.pos + row.span > pos ? row : undefined;
  }

  /** Not landed, beginning from `from` to `to`, in order. */
  within(log: number, from: number, to: number): LossRow[] {
    return this.#within.all(log, from, to) as LossRow[];
  }

  /** Not landed, the first that begins at `pos` or behind it. */
  from(log: number, pos: number): LossRow | undefined {
    return this.#after.get(log, pos) as LossRow | undefined;
  }

  /** The latest that began there, landed or not. */
  at(id: StreamId, first: number): LossRow | undefined {
    return this.#place.get(id.epoch, id.topic, id.partition, first) as LossRow | undefined;
  }

  newest(limit: number): LedgerLoss[] {
    return (this.#newest.all(limit) as LossRow[]).map(ledgerLoss);
  }

  /** Keeps the newest of what has landed. */
  trim(): void {
    const last = (this.#lastId.get() as number | null) ?? 0;
    if (last > landedKept) this.#trim.run(last - landedKept);
  }
}

export function lossOf(row: LossRow): Loss {
  const { first, span, records, scope, bytes, from, to, reason, detail } = row;
  return { first, span, records, scope, bytes, from, to, reason, detail };
}

const ledgerLoss = (row: LossRow): LedgerLoss => ({
  ...lossOf(row),
  ...{ epoch: row.epoch, topic: row.topic, partition: row.partition },
  ...{ declaredAt: row.declaredAt, landed: row.landed === 1 },
});
