import type { Database } from 'better-sqlite3';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import type { HelloStream, StreamId } from '#shared/wire/link.ts';
import { DeliverError } from '../deliver-error.ts';
import type { Delivery } from '../source/source.ts';
import { Appender, type Outcome } from './appender.ts';
import type {
  BufferIdentity,
  BufferOptions,
  BufferReport,
  ForkOrder,
  LedgerLoss,
  ReadBatch,
  ReadRequest,
} from './buffer.ts';
import { isDiskFull, sqliteCode } from './buffer-errors.ts';
import { Custody } from './custody.ts';
import { Idempotency } from './idempotency.ts';
import { LandedPlaces } from './landed-places.ts';
import { Ledger } from './ledger.ts';
import { LossRows } from './loss-rows.ts';
import { Meta } from './meta.ts';
import type { Budget } from './options.ts';
import { Positions } from './positions.ts';
import { Quarantine } from './quarantine.ts';
import { Reader } from './reader.ts';
import { Reclaim } from './reclaim.ts';
import { helloStreams, reportStreams } from './report.ts';
import type { Reserve } from './reserve.ts';
import { NoRoom, Room } from './room.ts';
import { Runs } from './runs.ts';
import { Sealer } from './sealer.ts';
import { SegmentRows } from './segment-rows.ts';
import { SourceRunRows } from './source-run-rows.ts';
import { doubtSent, type Stream, StreamTable } from './streams.ts';
import { type Fault, Transactions } from './transactions.ts';
import { Trouble } from './trouble.ts';

export interface StoreParts {
  /** Prepared by schema.ts. */
  database: Database;
  options: BufferOptions;
  budget: Budget;
  reserve: Reserve;
  clock: Clock;
  log: Logger;
  newId: () => string;
  /** Called at each step of each commit. */
  fault: Fault;
  /** Called once when SQLite meets damage: from then on everything fails. */
  onDamage(error: Error): void;
}

type Acks = readonly (StreamId & { through: number })[];

/**
 * The synchronous core of the buffer: one thread, one database, every operation a transaction. What
 * it keeps in memory are the streams, and nothing that grows with the backlog.
 */
export class Store {
  readonly #parts: StoreParts;
  readonly #streams: StreamTable;
  readonly #losses: LossRows;
  readonly #room: Room;
  readonly #positions: Positions;
  readonly #places: LandedPlaces;
  readonly #quarantine: Quarantine;
  readonly #transactions: Transactions;
  readonly #runs: Runs;
  readonly #appender: Appender;
  readonly #reader: Reader;
  readonly #custody: Custody;
  readonly #reclaim: Reclaim;
  readonly #trouble: Trouble;

  constructor(parts: StoreParts) {
    const { database, options, budget, clock, newId, log, reserve } = parts;
    const streams = new StreamTable(database);
    const segments = new SegmentRows(database);
    const losses = new LossRows(database);
    const ledger = new Ledger(losses, segments, clock);
    const runRows = new SourceRunRows(database);
    const sealer = new Sealer({ segments, runs: runRows, ledger }, options);
    const places = new LandedPlaces(database);
    const books = { streams, segments, losses, ledger, sealer, places };
    const transactions = new Transactions(database, streams, (step) => this.#step(step));
    this.#parts = parts;
    this.#streams = streams;
    this.#losses = losses;
    this.#transactions = transactions;
    this.#trouble = new Trouble(reserve, log, parts.onDamage);
    this.#positions = new Positions(database);
    this.#places = places;
    this.#quarantine = new Quarantine(database, Math.floor(budget.records / 16));
    this.#room = new Room(database, books, options, budget);
    const runs = new Runs({ ...books, meta: new Meta(database), transactions, clock, newId });
    this.#runs = runs;
    this.#appender = new Appender({
      ...{ ...books, alias: options.alias, epoch: () => runs.identity.epoch, room: this.#room },
      ...{ positions: this.#positions, idempotency: new Idempotency(database) },
    });
    const partitionCount = this.#partitionCount;
    this.#reader = new Reader({ ...books, transactions, partitionCount });
    const now = () => clock.now();
    this.#custody = new Custody({ ...books, quarantine: this.#quarantine, now });
    this.#reclaim = new Reclaim(database, this.#room, transactions);
  }

  #step(step: string): void {
    try {
      this.#parts.fault(step);
    } catch (error) {
      this.#trouble.crash(error as Error);
      throw error;
    }
  }

  readonly #partitionCount = ({ topic }: Stream): number =>
    Math.max(this.#room.policy(topic).partitions, this.#streams.partitionsOf(topic));

  get identity(): BufferIdentity {
    return this.#runs.identity;
  }

  /** One transaction for all of them, one outcome for each. Never throws. */
  append(deliveries: readonly Delivery[]): Outcome[] {
    const { end } = this.#trouble;
    if (end) return deliveries.map(() => new DeliverError('io', end.message));
    if (this.#trouble.isDiskFull) return deliveries.map(diskFullOutcome);
    try {
      return this.#transactions.durably('append', () =>
        this.#appender.append(deliveries, this.#runs.now()),
      );
    } catch (error) {
      return this.#appendFailed(deliveries, error as Error);
    }
  }

  #appendFailed(deliveries: readonly Delivery[], error: Error): Outcome[] {
    this.#trouble.notice(error);
    if (this.#trouble.end) return this.append(deliveries);
    if (isDiskFull(error)) return deliveries.map(diskFullOutcome);
    const isOurs = !sqliteCode(error).startsWith('SQLITE');
    // One that cannot be stored must not keep the others of its group from it.
    if (isOurs && deliveries.length > 1) return deliveries.flatMap((each) => this.append([each]));
    if (error instanceof NoRoom) return deliveries.map(noRoomOutcome);
    this.#parts.log.error({ error: error.message }, 'the buffer could not store a delivery');
    return deliveries.map(() => new DeliverError('io', error.message));
  }

  positions(prefix: string): Map<string, Buffer> {
    return this.#trouble.attempt(() => this.#positions.startingWith(prefix));
  }

  landedPlaces(topic: string, incarnation: string): Map<number, number> {
    return this.#trouble.attempt(() => this.#places.ofTopic(topic, incarnation));
  }

  read(request: ReadRequest): ReadBatch {
    return this.#trouble.insist(() => this.#reader.read(request, this.#runs.now()));
  }

  acknowledge(acks: Acks): void {
    if (this.#custody.movesAny(acks)) {
      this.#trouble.insist(() =>
        this.#transactions.eventually('acknowledge', () => {
          this.#custody.acknowledge(acks);
          this.#runs.markNowAndThen();
        }),
      );
    }
    this.#custody.settleDoubt(acks);
  }

  cut(stream: StreamId, expected: number): void {
    this.#durably('cut', () => this.#custody.cut(stream, expected));
  }

  refuse(stream: StreamId, first: number, code: string, message: string): void {
    if (!this.#durably('refuse', () => this.#custody.refuse(stream, first, code, message))) return;
    const { topic, partition } = stream;
    this.#parts.log.warn({ topic, partition, first, code, message }, 'central refused a segment');
  }

  clip(stream: StreamId, lossFirst: number, landed: number): void {
    this.#durably('clip', () => this.#custody.clip(stream, lossFirst, landed));
  }

  helloStreams(): HelloStream[] {
    return helloStreams(this.#streams, this.identity.epoch);
  }

  confirmSession(centralId: string): void {
    this.#trouble.insist(() => this.#runs.confirm(centralId));
    for (const stream of this.#streams) doubtSent(stream);
  }

  fork(order: ForkOrder): void {
    const records = this.#trouble.insist(() => this.#runs.fork(order));
    if (records === 0) return;
    this.#parts.log.info({ records }, 'dropped what had landed through another buffer');
  }

  /** Without `blocked`, which the host of the store knows. */
  report(version: number, maxStreams: number): Omit<BufferReport, 'blocked'> {
    const { maxBytes, whenFull } = this.#parts.options;
    const { now, retired } = { now: this.#runs.now(), retired: this.#runs.retired };
    const partitionCount = this.#partitionCount;
    return this.#trouble.attempt(() => ({
      ...reportStreams(this.#streams, { version, maxStreams, now, partitionCount, retired }),
      // What is set apart counts as used, so that full is full.
      usedBytes: this.#room.usedBytes + maxBytes - this.#parts.budget.records,
      ...{ maxBytes, whenFull, acceptClock: now, quarantined: this.#quarantine.count },
    }));
  }

  losses(limit: number): LedgerLoss[] {
    return this.#trouble.attempt(() => this.#losses.newest(limit));
  }

  /** Writes something small. Throws when that does not work, or reading did not earlier. */
  probe(): void {
    this.#trouble.attempt(() => this.#transactions.eventually('probe', () => this.#runs.mark()));
  }

  /** Gives back a bounded part of what is free; true when there is more. */
  reclaim(): boolean {
    return this.#trouble.attempt(() => this.#reclaim.step());
  }

  /** Leaves the database in order, and open. */
  rest(): void {
    if (this.#trouble.end) return;
    try {
      this.#transactions.durably('close', () => this.#runs.mark());
      this.#reclaim.checkpoint('TRUNCATE');
    } catch (error) {
      // All that was promised is durable already; the next start does the rest.
      this.#parts.log.warn({ error: String(error) }, 'the buffer could not be closed in order');
    }
  }

  close(): void {
    this.rest();
    this.#parts.database.close();
  }

  #durably<T>(what: string, operation: () => T): T {
    return this.#trouble.insist(() => this.#transactions.durably(what, operation));
  }
}

const diskFullOutcome = ({ whenFull }: Delivery): Outcome =>
  whenFull === 'refuse' ? new DeliverError('disk-full', 'the disk of the buffer is full') : 'wait';

const noRoomOutcome = ({ whenFull }: Delivery): Outcome =>
  whenFull === 'refuse'
    ? new DeliverError('buffer-full', 'the buffer is full and nothing more may be dropped')
    : 'wait';
