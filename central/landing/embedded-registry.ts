import type { Database } from 'better-sqlite3';
import {
  changedFact,
  type Expected,
  LandingError,
  type RegistryChange,
  type RegistryEntry,
} from './landing.ts';

const valueLengthMax = 64 * 1024;

/** Facts by their key. Few and small, so that reading them whole costs nothing. */
export class Registry {
  readonly #read;
  readonly #one;
  readonly #put;
  readonly #remove;
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
    this.#read = database.prepare<[string, string], RegistryEntry>(
      'SELECT key, value FROM registry WHERE substr(key, 1, length(?)) = ? ORDER BY key',
    );
    this.#one = database
      .prepare<[string], string>('SELECT value FROM registry WHERE key = ?')
      .pluck();
    this.#put = database.prepare<[string, string]>(
      'INSERT OR REPLACE INTO registry (key, value) VALUES (?, ?)',
    );
    this.#remove = database.prepare<[string]>('DELETE FROM registry WHERE key = ?');
  }

  read(prefix: string): RegistryEntry[] {
    return this.#read.all(prefix, prefix);
  }

  write(changes: readonly RegistryChange[], expected: Expected = new Map()): void {
    const all = this.#database.transaction(() => {
      for (const [key, value] of expected) {
        if ((this.#one.get(key) ?? null) !== value) throw changedFact(key);
      }
      for (const { key, value } of changes) {
        if (value === null) this.#remove.run(key);
        else if (value.length <= valueLengthMax) this.#put.run(key, value);
        else throw new LandingError('refused', `${key}: ${value.length} characters are too many`);
      }
    });
    all.immediate();
  }
}
