import type { Database, Statement } from 'better-sqlite3';
import type { PositionChange } from '../source/source.ts';

/** What sources remember of their own input, committed with the records. */
export class Positions {
  readonly #set: Statement;
  readonly #delete: Statement;
  readonly #startingWith: Statement;

  constructor(database: Database) {
    this.#set = database.prepare('INSERT OR REPLACE INTO positions (key, value) VALUES (?, ?)');
    this.#delete = database.prepare('DELETE FROM positions WHERE key = ?');
    this.#startingWith = database.prepare(
      'SELECT key, value FROM positions WHERE key >= ? AND substr(key, 1, length(?)) = ? ORDER BY key',
    );
  }

  apply(change: PositionChange): void {
    for (const key of change.delete ?? []) this.#delete.run(key);
    for (const [key, value] of change.set ?? []) this.#set.run(key, value);
  }

  startingWith(prefix: string): Map<string, Buffer> {
    const found = new Map<string, Buffer>();
    for (const row of this.#startingWith.iterate(prefix, prefix, prefix)) {
      const { key, value } = row as { key: string; value: Buffer };
      found.set(key, value);
    }
    return found;
  }
}
