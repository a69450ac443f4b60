import type { KafkaError } from '#shared/kafka/kafka.ts';
import { atMost } from '#shared/std/at-most.ts';
import { Backoff } from '#shared/std/backoff.ts';
import type { Logger } from '#shared/std/log.ts';
import { Signal } from '#shared/std/signal.ts';
import { type AliasWrite, type LandedWrite, LandingError } from './landing.ts';
import type { CopyWrite } from './shard-copies.ts';
import { asLandingError, moved } from './shard-errors.ts';
import type { ShardState } from './shard-state.ts';
import {
  type Commit,
  ShardTransactions,
  type TransactionParts,
  type TransactionSettings,
} from './shard-transactions.ts';

export interface ShardSettings extends TransactionSettings {
  /** A transaction takes the commits that wait, up to so many bytes of segments. */
  transactionBytes: number;
  /** How long a transaction waits for more of them. */
  lingerMs: number;
}

export interface ShardParts extends TransactionParts {
  log: Logger;
  settings: ShardSettings;
}

interface Waiting extends Commit {
  bytes: number;
  since: number;
}

/**
 * One shard of the fleet, and the queue of its commits while we own it: those that arrive together
 * are one Kafka transaction.
 */
export class Shard {
  readonly id: number;
  readonly state: ShardState;
  readonly #parts: ShardParts;
  readonly #transactions: ShardTransactions;
  readonly #waiting: Waiting[] = [];
  /** In the transaction that is under way. */
  #landing: readonly Waiting[] = [];
  readonly #arrived = new Signal();
  #owned = false;
  /** More than one commit was there for the transaction before. */
  #areSeveral = false;
  #released = Promise.withResolvers<void>();
  #term = 0;
  #running: Promise<void> | undefined;

  constructor(id: number, state: ShardState, parts: ShardParts) {
    this.id = id;
    this.state = state;
    this.#parts = parts;
    this.#transactions = new ShardTransactions(id, state, {
      ...parts,
      onFenced: () => {
        this.#owned = false;
        parts.onFenced(id);
      },
    });
  }

  get owned(): boolean {
    return this.#owned;
  }

  /** Another number each time that it becomes ours; undefined: it is not. */
  get term(): number | undefined {
    return this.#owned ? this.#term : undefined;
  }

  /** Nobody but us moves it on: all that is read is ours, and known. */
  get isSettled(): boolean {
    return this.#owned && this.#transactions.isReady;
  }

  /**
   * Fences the owner before us, then reads what it left behind to the end. Only then commits are
   * taken; `prepared` is called between. Rejects with a KafkaError.
   */
  async acquire(prepared: () => void): Promise<void> {
    if (this.#owned) return;
    await this.#transactions.open();
    prepared();
    this.#owned = true;
    this.#released = Promise.withResolvers();
    this.#term += 1;
    this.#running = this.#run();
  }

  /** Answers all commits that have none: what has landed of them, the next owner knows. */
  giveBack(): void {
    const message = 'Kafka has not answered, and this collector leaves the site to others';
    for (const { reject } of this.#landing) reject(new LandingError('uncertain', message));
    for (const { reject } of this.#waiting.splice(0)) reject(moved());
    this.#transactions.end();
  }

  /** Ends what is under way, takes no more, and follows again what the next owner writes. */
  async release(): Promise<void> {
    this.#owned = false;
    this.#released.resolve();
    this.#arrived.notify();
    await this.#running;
    this.#running = undefined;
    this.#transactions.giveUp();
  }

  commit(writes: readonly AliasWrite[]): Promise<LandedWrite[]> {
    return this.#enqueue({ writes, bytes: bytesOf(writes) });
  }

  /** A piece of a copy, in one of the next transactions. Rejects as `commit` does. */
  async copy(copy: CopyWrite): Promise<void> {
    const bytes = copy.batches.reduce((sum, { batch }) => sum + batch.length, 1024);
    await this.#enqueue({ writes: [], copy, bytes });
  }

  /** A transaction soon, for what goes beside; nothing where it fails. */
  nudge(): void {
    if (this.#waiting.length === 0) this.#enqueue({ writes: [], bytes: 0 }).catch(() => {});
  }

  #enqueue(commit: Pick<Waiting, 'writes' | 'copy' | 'bytes'>): Promise<LandedWrite[]> {
    if (!this.#owned) return Promise.reject(moved());
    return new Promise((resolve, reject) => {
      const since = this.#parts.clock.monotonic();
      this.#waiting.push({ ...commit, since, resolve, reject });
      this.#arrived.notify();
    });
  }

  async #run(): Promise<void> {
    while (this.#owned) {
      if (this.#waiting.length === 0) await this.#arrived.wait();
      else await this.#landNext();
    }
    // What came before the release is landed; a fenced producer has given its commits back.
    while (this.#waiting.length > 0 && this.#transactions.isReady) await this.#landNext();
    for (const commit of this.#waiting.splice(0)) commit.reject(moved());
  }

  async #landNext(): Promise<void> {
    await this.#linger();
    this.#landing = this.#take();
    // Given back while they lingered.
    if (this.#landing.length === 0) return;
    try {
      await this.#land(this.#landing);
    } catch (error) {
      for (const { reject } of this.#landing) reject(asLandingError(error));
    }
    this.#landing = [];
  }

  /**
   * For others to go along, where there are others: a site alone brings nothing more before it is
   * answered. What has waited for the transaction before has waited long enough.
   */
  async #linger(): Promise<void> {
    if (!this.#areSeveral) return;
    const { clock, settings } = this.#parts;
    const leftMs = settings.lingerMs - (clock.monotonic() - this.#waiting[0]!.since);
    if (leftMs > 0 && this.#owned) await atMost(clock, leftMs, this.#released.promise);
  }

  #take(): Waiting[] {
    this.#areSeveral = this.#waiting.length > 1;
    let bytes = 0;
    let count = 0;
    for (const commit of this.#waiting) {
      bytes += commit.bytes;
      if (count > 0 && bytes > this.#parts.settings.transactionBytes) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  /** Every commit is answered when this resolves; where it rejects, those that were not. */
  async #land(commits: readonly Waiting[]): Promise<void> {
    const deadline = commits[0]!.since + this.#parts.settings.commitTimeoutMs;
    const backoff = new Backoff({ baseMs: 50, maxMs: 1_000, random: Math.random });
    let left: Commit[] = [...commits];
    while (left.length > 0) {
      try {
        left = await this.#transactions.attempt(left);
      } catch (error) {
        const { code } = error as KafkaError;
        // `missing`: also said by a broker that has not heard of a new topic yet.
        const again = code === 'unavailable' || code === 'fatal' || code === 'missing';
        if (!again || !this.#owned || this.#parts.clock.monotonic() > deadline) throw error;
        this.#parts.log.warn({ shard: this.id, err: error }, 'a transaction is tried again');
        await this.#parts.clock.sleep(backoff.next());
      }
    }
  }
}

const bytesOf = (writes: readonly AliasWrite[]): number =>
  writes.flatMap(({ segments }) => segments).reduce((sum, { batch }) => sum + batch.length, 1024);
