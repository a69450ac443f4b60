import type { Database } from 'better-sqlite3';
import { toLandingError } from './embedded-errors.ts';
import type { StoreHost } from './embedded-host.ts';
import { prepareSchema } from './embedded-schema.ts';
import { EmbeddedStore, type StoreOptions } from './embedded-store.ts';
import type { StoreCall } from './embedded-worker.ts';
import { type AliasWrite, type LandedWrite, LandingError } from './landing.ts';

/** The store in the caller's thread: everything happens before the call returns. */
export class InlineHost implements StoreHost {
  readonly centralId: string;
  readonly #store: EmbeddedStore;
  #closed = false;

  constructor(database: Database, options: StoreOptions, newId: () => string) {
    this.centralId = prepareSchema(database, newId);
    this.#store = new EmbeddedStore(database, options);
  }

  async commit(writes: readonly AliasWrite[]): Promise<LandedWrite[]> {
    this.#checkOpen();
    const outcome = this.#store.commitGroup([writes])[0]!;
    this.#store.checkpointWal('due');
    if ('error' in outcome) throw outcome.error;
    return outcome.landed;
  }

  async call<T>(call: StoreCall, ...args: unknown[]): Promise<T> {
    this.#checkOpen();
    const method = this.#store[call] as (...args: unknown[]) => T;
    try {
      return method.apply(this.#store, args);
    } catch (error) {
      throw toLandingError(error);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #checkOpen(): void {
    if (this.#closed) throw new LandingError('closed', 'the landing is closed');
  }
}
