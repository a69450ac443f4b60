import type { Database, Statement } from 'better-sqlite3';
import type { SegmentRow } from './segment-rows.ts';
import { type Stream, sequenceOf } from './streams.ts';

const segmentsMax = 1_000;

/** Segments that central refused, kept for a person to look at. They count as lost. */
export class Quarantine {
  readonly #insert: Statement;
  readonly #sums: Statement;
  readonly #dropOldest: Statement;
  readonly #bytesMax: number;
  #count: number;
  #bytes: number;

  constructor(database: Database, bytesMax: number) {
    this.#insert = database.prepare(
      `INSERT INTO quarantine (epoch, topic, partition, first, count, at, code, message, stored, batch)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#sums = database.prepare(
      'SELECT count(*) AS count, coalesce(sum(stored), 0) AS bytes FROM quarantine',
    );
    this.#dropOldest = database.prepare(
      'DELETE FROM quarantine WHERE id = (SELECT min(id) FROM quarantine)',
    );
    this.#bytesMax = bytesMax;
    ({ count: this.#count, bytes: this.#bytes } = this.#read());
  }

  get count(): number {
    return this.#count;
  }

  /** The oldest make room. */
  add(
    stream: Stream,
    row: SegmentRow,
    batch: Buffer,
    why: { code: string; message: string; at: number },
  ): void {
    if (batch.length > this.#bytesMax) return;
    const { epoch, topic, partition } = stream;
    const first = sequenceOf(stream, row.pos);
    this.#insert.run(
      ...[epoch, topic, partition, first, row.count, why.at, why.code, why.message],
      ...[batch.length, batch],
    );
    this.#refresh();
    while (this.#count > segmentsMax || this.#bytes > this.#bytesMax) {
      this.#dropOldest.run();
      this.#refresh();
    }
  }

  #refresh(): void {
    ({ count: this.#count, bytes: this.#bytes } = this.#read());
  }

  /** O(quarantine), which is small. */
  #read(): { count: number; bytes: number } {
    return this.#sums.get() as { count: number; bytes: number };
  }
}
