import type { Database, Statement } from 'better-sqlite3';
import type { LossRecord, StreamId } from '#shared/wire/link.ts';
import type { Naming } from '#shared/wire/mm2-topics.ts';
import { Apply, type ApplyStatements, applyStatements, type Step } from './embedded-apply.ts';
import { Backfill, type BackfillCursor } from './embedded-backfill.ts';
import { sqliteCode, toLandingError } from './embedded-errors.ts';
import { type BatchPage, Reads } from './embedded-reads.ts';
import { Registry } from './embedded-registry.ts';
import { Retention } from './embedded-retention.ts';
import { Unit, type UnitStatements, unitStatements } from './embedded-unit.ts';
import type {
  AliasState,
  AliasSummary,
  AliasWrite,
  CheckpointRow,
  Expected,
  LandedWrite,
  LandingError,
  RegistryChange,
  RegistryEntry,
  TopicRow,
} from './landing.ts';

/** What one commit of a group came to. */
export type Outcome = { landed: LandedWrite[] } | { error: LandingError };

export interface StoreOptions {
  /** How sites' topics are named; left out: `<alias>.<topic>`. */
  naming?: Naming | undefined;
  retentionMs: number;
  /** Cap of the database itself, WAL apart. */
  maxBytes: number;
  step?: Step;
}

/** WAL bytes after which its pages are carried into the database. */
export const checkpointBytes = 16 * 1024 * 1024;

/** What a step of retention or backfill writes at most, roughly. */
const stepBytesMax = 2 * 1024 * 1024;

/**
 * The embedded landing's core: synchronous, over one opened and prepared database. It reads no
 * clock and no settings, so that a simulation can own both.
 */
export class EmbeddedStore {
  readonly #database: Database;
  readonly #step: Step;
  readonly #naming: Naming;
  readonly #unitSql: UnitStatements;
  readonly #applySql: ApplyStatements;
  readonly #reads: Reads;
  readonly #retention: Retention;
  readonly #backfill: Backfill;
  readonly #registry: Registry;
  readonly #probe: Statement;
  /** Written since the last checkpoint, roughly. */
  #walBytes = 0;
  #walError: LandingError | undefined;

  constructor(database: Database, options: StoreOptions) {
    this.#database = database;
    this.#step = options.step ?? (() => {});
    this.#naming = options.naming ?? 'default';
    this.#unitSql = unitStatements(database);
    this.#applySql = applyStatements(database);
    this.#reads = new Reads(database, this.#naming);
    this.#retention = new Retention(database, options);
    this.#backfill = new Backfill(database, this.#naming);
    this.#registry = new Registry(database);
    this.#probe = database.prepare(`
      INSERT OR REPLACE INTO meta
      SELECT 'probes', 1 + coalesce(max(value), 0) FROM meta WHERE key = 'probes'`);
  }

  /**
   * Group commit: one transaction, one sync, an answer for each. Where together they fail, each is
   * tried alone, so that one bad commit does not fail its neighbours.
   */
  commitGroup(commits: readonly (readonly AliasWrite[])[]): Outcome[] {
    if (commits.length > 1) {
      try {
        return this.#transact(commits).map((landed) => ({ landed }));
      } catch (error) {
        // Whether the group is on disk is not known: its parts must not be tried again.
        if (error instanceof CommitError) return commits.map(() => this.#failed(error));
      }
    }
    return commits.map((commit) => {
      try {
        return { landed: this.#transact([commit])[0]! };
      } catch (error) {
        return this.#failed(error);
      }
    });
  }

  #failed(cause: unknown): Outcome {
    const error = toLandingError(cause instanceof CommitError ? cause.cause : cause);
    // An emptied WAL can be written over: on a full disk that is all the room there is.
    if (error.code === 'full') this.#walBytes = checkpointBytes;
    return { error };
  }

  load(alias: string): AliasState | undefined {
    return this.#reads.load(alias);
  }

  aliases(): AliasSummary[] {
    return this.#reads.aliases();
  }

  checkpoints(filter: { alias?: string; topic?: string }): CheckpointRow[] {
    return this.#reads.checkpoints(filter);
  }

  losses(filter: { alias?: string; sinceMs?: number; limit: number }): LossRecord[] {
    return this.#reads.losses(filter);
  }

  lostWithin(alias: string, stream: StreamId, first: number, last: number): number {
    return this.#reads.lostWithin(alias, stream, first, last);
  }

  topics(): TopicRow[] {
    return this.#reads.topics();
  }

  page(topic: string, partition: number, offset: number, limit: number): BatchPage | undefined {
    return this.#reads.page(topic, partition, offset, limit);
  }

  registry(prefix: string): RegistryEntry[] {
    return this.#registry.read(prefix);
  }

  register(changes: readonly RegistryChange[], expected?: Expected): void {
    this.#registry.write(changes, expected);
  }

  /** On disk. */
  usedBytes(): number {
    return this.#retention.fileBytes;
  }

  /** One bounded step of retention; false when there is nothing to do for now. */
  retain(now: number): boolean {
    const more = this.#retention.step(now);
    if (more) this.#stepped(1);
    return more;
  }

  /** One bounded step; null when all is in. See Backfill. */
  backfill(
    merged: string,
    remote: string,
    cursor: BackfillCursor | null,
    now: number,
  ): BackfillCursor | null {
    const next = this.#backfill.step(merged, remote, cursor, now);
    this.#stepped(1);
    return next;
  }

  #stepped(steps: number): void {
    this.#walBytes += steps * stepBytesMax;
    this.checkpointWal('due');
  }

  /** Writes and syncs; throws when that fails, or when the WAL could not be carried over. */
  probe(): void {
    this.#probe.run();
    if (this.#walError !== undefined) throw this.#walError;
  }

  /**
   * Carries the WAL into the database when it has grown (`due`), apart from commits, so that none
   * waits for it before its answer. A disk that does not take it keeps the WAL; `probe` tells.
   */
  checkpointWal(when: 'due' | 'now'): void {
    if (when === 'due' && this.#walBytes < checkpointBytes) return;
    try {
      this.#database.pragma('wal_checkpoint(PASSIVE)');
      this.#walBytes = 0;
      this.#walError = undefined;
    } catch (error) {
      this.#walError = toLandingError(error);
    }
  }

  #transact(commits: readonly (readonly AliasWrite[])[]): LandedWrite[][] {
    const bytes = commits.reduce((sum, commit) => sum + writtenBytes(commit), 0);
    this.#stepped(this.#retention.makeRoom(bytes));
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      this.#step('begin');
      const unit = new Unit(this.#unitSql, this.#naming);
      const apply = new Apply(this.#applySql, unit, this.#step);
      const landed = commits.map((commit) => commit.map((write) => apply.write(write)));
      unit.save();
      this.#step('save');
      this.#commit();
      this.#walBytes += bytes;
      return landed;
    } finally {
      if (this.#database.inTransaction) this.#database.exec('ROLLBACK');
    }
  }

  #commit(): void {
    this.#step('commit');
    try {
      this.#database.exec('COMMIT');
      this.#step('committed');
    } catch (error) {
      throw sqliteCode(error) === 'SQLITE_FULL' ? error : new CommitError(error);
    }
  }
}

/** COMMIT itself failed: the disk may hold it or not. */
class CommitError extends Error {
  constructor(cause: unknown) {
    super('commit failed', { cause });
  }
}

/** What a commit will write, roughly: its bodies, and pages for its rows. */
function writtenBytes(commit: readonly AliasWrite[]): number {
  let bytes = 64 * 1024;
  for (const { segments, losses } of commit) {
    bytes += losses.length * 2048;
    for (const { batch } of segments) bytes += batch.length + 256;
  }
  return bytes;
}
