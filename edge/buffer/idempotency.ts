import type { Database, Statement } from 'better-sqlite3';
import type { Delivered } from '../source/source.ts';

const keptMs = 24 * 60 * 60 * 1000;
const keptKeys = 100_000;
/** Old keys that one commit forgets at most, so that none takes long. */
const forgottenAtOnce = 64;

/** Keys of deliveries that were answered, per topic, oldest first by id. */
export class Idempotency {
  readonly #find: Statement;
  readonly #insert: Statement;
  readonly #oldest: Statement;
  readonly #newestId: Statement;
  readonly #forget: Statement;

  constructor(database: Database) {
    this.#find = database.prepare(
      'SELECT at, accepted, declared_lost AS declaredLost FROM idempotency WHERE topic = ? AND key = ?',
    );
    this.#insert = database.prepare(
      `INSERT OR REPLACE INTO idempotency (topic, key, at, accepted, declared_lost)
       VALUES (?, ?, ?, ?, ?)`,
    );
    this.#oldest = database.prepare('SELECT id, at FROM idempotency ORDER BY id LIMIT ?');
    this.#newestId = database.prepare('SELECT max(id) FROM idempotency').pluck();
    this.#forget = database.prepare('DELETE FROM idempotency WHERE id <= ?');
  }

  /** What was answered to this key; times on the accept clock, ms. */
  find(topic: string, key: string, now: number): Delivered | undefined {
    const row = this.#find.get(topic, key) as (Delivered & { at: number }) | undefined;
    if (row === undefined || now - row.at > keptMs) return undefined;
    return { accepted: row.accepted, declaredLost: row.declaredLost, duplicate: true };
  }

  remember(topic: string, key: string, now: number, answer: Delivered): void {
    this.#insert.run(topic, key, now, answer.accepted, answer.declaredLost);
    this.#tidy(now);
  }

  #tidy(now: number): void {
    const spare = (this.#newestId.get() as number) - keptKeys;
    let last: number | undefined;
    for (const row of this.#oldest.iterate(forgottenAtOnce)) {
      const { id, at } = row as { id: number; at: number };
      if (id > spare && now - at <= keptMs) break;
      last = id;
    }
    if (last !== undefined) this.#forget.run(last);
  }
}
