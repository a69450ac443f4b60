import type { Database, Statement } from 'better-sqlite3';
import type { StreamTable } from './streams.ts';

/** A place where a simulation may throw, to crash a buffer between any two steps. */
export type Fault = (step: string) => void;

/**
 * Every write goes through here. What the streams say in memory and what the file says change
 * together or not at all.
 */
export class Transactions {
  readonly #database: Database;
  readonly #streams: StreamTable;
  readonly #begin: Statement;
  readonly #commit: Statement;
  readonly #rollback: Statement;
  readonly step: Fault;
  #sync: 'FULL' | 'NORMAL' = 'FULL';

  constructor(database: Database, streams: StreamTable, fault: Fault) {
    this.#database = database;
    this.#streams = streams;
    this.#begin = database.prepare('BEGIN IMMEDIATE');
    this.#commit = database.prepare('COMMIT');
    this.#rollback = database.prepare('ROLLBACK');
    this.step = fault;
  }

  /** On disk when it returns. */
  durably<T>(what: string, body: () => T): T {
    this.#synchronous('FULL');
    return this.#write(what, body);
  }

  /**
   * On disk with the next durable write. For what may be forgotten in a power cut without harm:
   * a cursor that falls back only makes central drop duplicates.
   */
  eventually<T>(what: string, body: () => T): T {
    this.#synchronous('NORMAL');
    return this.#write(what, body);
  }

  #synchronous(mode: 'FULL' | 'NORMAL'): void {
    if (this.#sync === mode) return;
    this.#database.pragma(`synchronous = ${mode}`);
    this.#sync = mode;
  }

  #write<T>(what: string, body: () => T): T {
    this.step(`${what}: begin`);
    this.#begin.run();
    let result: T;
    try {
      result = body();
      this.#streams.save();
      this.step(`${what}: commit`);
      this.#commit.run();
    } catch (error) {
      this.#streams.revert();
      if (this.#database.inTransaction) this.#rollback.run();
      throw error;
    }
    this.#streams.settle();
    this.step(`${what}: committed`);
    return result;
  }
}
