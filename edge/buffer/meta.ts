import type { Database, Statement } from 'better-sqlite3';

/** Single facts of the buffer, by name. */
export class Meta {
  readonly #get: Statement;
  readonly #set: Statement;

  constructor(database: Database) {
    this.#get = database.prepare('SELECT value FROM meta WHERE key = ?').pluck();
    this.#set = database.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)');
  }

  text(key: string): string | null {
    return (this.#get.get(key) as string | null | undefined) ?? null;
  }

  number(key: string): number | null {
    return (this.#get.get(key) as number | null | undefined) ?? null;
  }

  set(key: string, value: string | number | null): void {
    this.#set.run(key, value);
  }
}
