import type { Database } from 'better-sqlite3';
import type { Room } from './room.ts';
import type { Transactions } from './transactions.ts';

/** Pages that one step gives back. */
const stepPages = 1024;
/** Free pages that stay for what comes next; growing again costs more than keeping them. */
const keptBytes = 4 * 1024 * 1024;

/** Gives back to the file system what acknowledged segments took, a bounded step at a time. */
export class Reclaim {
  readonly #database: Database;
  readonly #room: Room;
  readonly #transactions: Transactions;
  #shrunk = false;

  constructor(database: Database, room: Room, transactions: Transactions) {
    this.#database = database;
    this.#room = room;
    this.#transactions = transactions;
  }

  /** True when there is more to do. */
  step(): boolean {
    const { freeBytes, usedBytes } = this.#room;
    if (freeBytes > keptBytes && freeBytes > usedBytes / 4) {
      this.#transactions.eventually('shrink', () => {
        this.#database.pragma(`incremental_vacuum(${stepPages})`);
      });
      this.#shrunk = true;
      return true;
    }
    if (this.#shrunk) this.checkpoint('PASSIVE');
    this.#shrunk = false;
    return false;
  }

  /** Carries the WAL into the database, whose file then ends where its pages do. */
  checkpoint(mode: 'PASSIVE' | 'TRUNCATE'): void {
    this.#database.pragma(`wal_checkpoint(${mode})`);
  }
}
