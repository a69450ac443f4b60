import type { Database } from 'better-sqlite3';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import type { HelloStream, StreamId } from '#shared/wire/link.ts';
import { DeliverError } from '../deliver-error.ts';
import type { Delivery } from '../source/source.ts';
import { AcceptClock } from './accept-clock.ts';
import { Appender, type Outcome } from './appender.ts';
import type {
  BufferIdentity,
  BufferOptions,
  BufferReport,
  LedgerLoss,
  ReadBatch,
  ReadRequest,
} from './buffer.ts';
import { isDamage, isDiskFull, sqliteCode } from './buffer-errors.ts';
import { Custody } from './custody.ts';
import { fork } from './fork.ts';
import { Idempotency } from './idempotency.ts';
import { Identity } from './identity.ts';
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
import { Sealer } from './sealer.ts';
import { SegmentRows } from './segment-rows.ts';
import { type Retired, type Stream, StreamTable } from './streams.ts';
import { type Fault, Transactions } from './transactions.ts';

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

/** The clock's mark is written this often, on the way of another write, ms. */
const markEveryMs = 60_000;

/**
 * The synchronous core of the buffer: one thread, one database, every operation a transaction. What
 * it keeps in memory are the streams and nothing that grows with the backlog.
 */
export class Store {
  readonly #parts: StoreParts;
  readonly #streams: StreamTable;
  readonly #transactions: Transactions;
  readonly #meta: Meta;
  readonly #identity: Identity;
  readonly #acceptClock: AcceptClock;
  readonly #segments: SegmentRows;
  readonly #losses: LossRows;
  readonly #ledger: Ledger;
  readonly #sealer: Sealer;
  readonly #room: Room;
  readonly #positions: Positions;
  readonly #quarantine: Quarantine;
  readonly #appender: Appender;
  readonly #reader: Reader;
  readonly #custody: Custody;
  readonly #reclaim: Reclaim;
  readonly #retired: Retired;
  #markedAt = 0;
  #diskFull = false;
  #damage: Error | undefined;

  constructor(parts: StoreParts) {
    const { database, options, budget, clock, newId } = parts;
    this.#parts = parts;
    const streams = new StreamTable(database);
    const segments = new SegmentRows(database);
    const losses = new LossRows(database);
    const ledger = new Ledger(losses, segments, clock);
    const sealer = new Sealer(segments, ledger, options);
    const transactions = new Transactions(database, streams, (step) => this.#step(step));
    this.#streams = streams;
    this.#segments = segments;
    this.#losses = losses;
    this.#ledger = ledger;
    this.#sealer = sealer;
    this.#transactions = transactions;
    this.#meta = new Meta(database);
    this.#identity = new Identity(this.#meta, newId);
    this.#acceptClock = this.#resumeClock();
    this.#room = new Room(database, { streams, segments, ledger }, options, budget);
    this.#positions = new Positions(database);
    this.#quarantine = new Quarantine(database, Math.floor(budget.records / 16));
    this.#appender = new Appender({
      ...{
        alias: options.alias,
        identity: this.#identity,
        streams,
        room: this.#room,
        sealer,
        ledger,
      },
      ...{ positions: this.#positions, idempotency: new Idempotency(database) },
    });
    const partitionCount = this.#partitionCount;
    this.#reader = new Reader({
      ...{ streams, segments, losses, ledger, sealer, transactions, partitionCount },
    });
    this.#custody = new Custody({
      ...{ streams, segments, losses, ledger, sealer, quarantine: this.#quarantine },
      now: () => clock.now(),
    });
    this.#reclaim = new Reclaim(database, this.#room, transactions);
    this.#retired = {
      accepted: this.#meta.number('retired_accepted') ?? 0,
      acked: this.#meta.number('retired_acked') ?? 0,
      lost: this.#meta.number('retired_lost') ?? 0,
    };
    this.#beginRun();
  }

  /** A simulated crash: whatever still calls finds nobody. */
  #step(step: string): void {
    try {
      this.#parts.fault(step);
    } catch (error) {
      this.#damage = error as Error;
      throw error;
    }
  }

  #resumeClock(): AcceptClock {
    const accept = this.#meta.number('clock_accept');
    const wall = this.#meta.number('clock_wall');
    const newest = Math.max(0, ...[...this.#streams].map((stream) => stream.newest));
    const mark = accept === null || wall === null ? undefined : { accept, wall };
    return new AcceptClock(this.#parts.clock, mark, newest);
  }

  /**
   * A new session; what the last one inherited or made is common knowledge if a central confirmed
   * it.
   */
  #beginRun(): void {
    const begun = this.#transactions.durably('open', () => {
      if (this.#identity.isConfirmed) this.#confirmHeads();
      const identity = this.#identity.begin(false);
      this.#retire(identity.epoch);
      this.#mark();
      return identity;
    });
    this.#identity.adopt(begun);
  }

  #confirmHeads(): void {
    for (const stream of this.#streams) {
      if (stream.confirmed !== stream.head) this.#streams.touch(stream).confirmed = stream.head;
    }
  }

  /** Streams of older epochs with nothing left go; their counters stay. */
  #retire(epoch: string): void {
    for (const stream of [...this.#streams]) {
      if (stream.epoch === epoch || stream.cursor < stream.head) continue;
      this.#retired.accepted += stream.accepted;
      this.#retired.acked += stream.acked;
      this.#retired.lost += stream.lost;
      this.#streams.remove(stream);
    }
    this.#meta.set('retired_accepted', this.#retired.accepted);
    this.#meta.set('retired_acked', this.#retired.acked);
    this.#meta.set('retired_lost', this.#retired.lost);
  }

  #mark(): void {
    const { accept, wall } = this.#acceptClock.mark();
    this.#meta.set('clock_accept', accept);
    this.#meta.set('clock_wall', wall);
    this.#markedAt = this.#parts.clock.monotonic();
  }

  get identity(): BufferIdentity {
    return this.#identity.current;
  }

  /** One transaction for all of them, one outcome for each. Never throws. */
  append(deliveries: readonly Delivery[]): Outcome[] {
    if (this.#damage) return deliveries.map(() => new DeliverError('io', this.#damage!.message));
    if (this.#diskFull && !this.#parts.reserve.hold()) return deliveries.map(diskFullOutcome);
    this.#diskFull = false;
    try {
      return this.#transactions.durably('append', () =>
        this.#appender.append(deliveries, this.#acceptClock.now()),
      );
    } catch (error) {
      return this.#appendFailed(deliveries, error as Error);
    }
  }

  #appendFailed(deliveries: readonly Delivery[], error: Error): Outcome[] {
    if (isDiskFull(error)) {
      this.#diskFull = true;
      return deliveries.map(diskFullOutcome);
    }
    this.#noticeDamage(error);
    if (this.#damage) return this.append(deliveries);
    const isOurs = !sqliteCode(error).startsWith('SQLITE');
    // One that cannot be stored must not keep the others of its group from it.
    if (isOurs && deliveries.length > 1) return deliveries.flatMap((each) => this.append([each]));
    if (error instanceof NoRoom) return deliveries.map(noRoomOutcome);
    this.#parts.log.error({ error: error.message }, 'the buffer could not store a delivery');
    return deliveries.map(() => new DeliverError('io', error.message));
  }

  positions(prefix: string): Map<string, Buffer> {
    return this.#attempt(() => this.#positions.startingWith(prefix));
  }

  read(request: ReadRequest): ReadBatch {
    return this.#insist(() => this.#reader.read(request, this.#acceptClock.now()));
  }

  acknowledge(acks: readonly (StreamId & { through: number })[]): void {
    if (!this.#custody.movesAny(acks)) return;
    this.#insist(() =>
      this.#transactions.eventually('acknowledge', () => {
        this.#custody.acknowledge(acks);
        if (this.#parts.clock.monotonic() - this.#markedAt > markEveryMs) this.#mark();
      }),
    );
  }

  cut(stream: StreamId, expected: number): void {
    this.#insist(() =>
      this.#transactions.durably('cut', () => this.#custody.cut(stream, expected)),
    );
  }

  refuse(stream: StreamId, first: number, code: string, message: string): void {
    const done = this.#insist(() =>
      this.#transactions.durably('refuse', () =>
        this.#custody.refuse(stream, first, code, message),
      ),
    );
    const { topic, partition } = stream;
    if (done) this.#parts.log.warn({ topic, partition, first, code, message }, 'segment refused');
  }

  clip(stream: StreamId, lossFirst: number, landed: number): void {
    this.#insist(() =>
      this.#transactions.durably('clip', () => this.#custody.clip(stream, lossFirst, landed)),
    );
  }

  helloStreams(): HelloStream[] {
    return helloStreams(this.#streams, this.identity.epoch);
  }

  confirmSession(centralId: string): void {
    if (this.#identity.isConfirmed && this.identity.centralId === centralId) return;
    const identity = this.#insist(() =>
      this.#transactions.durably('confirm', () => this.#identity.confirm(centralId)),
    );
    this.#identity.adopt(identity);
  }

  fork(scope: 'unconfirmed' | 'all', keep: readonly (StreamId & { through: number })[]): void {
    const before = { ...this.#retired };
    try {
      const identity = this.#insist(() =>
        this.#transactions.durably('fork', () => this.#fork(scope, keep)),
      );
      this.#identity.adopt(identity);
    } catch (error) {
      Object.assign(this.#retired, before);
      throw error;
    }
  }

  #fork(
    scope: 'unconfirmed' | 'all',
    keep: readonly (StreamId & { through: number })[],
  ): BufferIdentity {
    const wasConfirmed = this.#identity.isConfirmed;
    const identity = this.#identity.begin(true);
    const { epoch } = identity;
    fork(
      {
        ...{ streams: this.#streams, segments: this.#segments, losses: this.#losses },
        ...{ ledger: this.#ledger, sealer: this.#sealer },
      },
      { scope, keep, epoch },
    );
    for (const stream of this.#streams) {
      const confirmed = wasConfirmed ? stream.head : Math.min(stream.confirmed, stream.head);
      if (stream.confirmed !== confirmed) this.#streams.touch(stream).confirmed = confirmed;
      stream.sentTo = -1;
    }
    this.#retire(epoch);
    return identity;
  }

  /** Without `blocked`, which the host of the store knows. */
  report(version: number, maxStreams: number): Omit<BufferReport, 'blocked'> {
    const { budget } = this.#parts;
    const { maxBytes, whenFull } = this.#parts.options;
    const now = this.#acceptClock.now();
    const partitionCount = this.#partitionCount;
    return this.#attempt(() => ({
      ...reportStreams(this.#streams, {
        ...{ version, maxStreams, now, partitionCount, retired: this.#retired },
      }),
      // What is set apart counts as used, so that full is full.
      usedBytes: this.#room.usedBytes + maxBytes - budget.records,
      ...{ maxBytes, whenFull, acceptClock: now },
      quarantined: this.#quarantine.count,
    }));
  }

  losses(limit: number): LedgerLoss[] {
    return this.#attempt(() => this.#losses.newest(limit));
  }

  /** Writes something small. Throws when that does not work, or reading did not earlier. */
  probe(): void {
    this.#attempt(() => this.#transactions.eventually('probe', () => this.#mark()));
  }

  /** Gives back a bounded part of what is free; true when there is more. */
  reclaim(): boolean {
    return this.#attempt(() => this.#reclaim.step());
  }

  /** Leaves the database in order, and open. */
  rest(): void {
    if (this.#damage) return;
    try {
      this.#transactions.durably('close', () => this.#mark());
      this.#reclaim.checkpoint('TRUNCATE');
    } catch (error) {
      // All that was promised is durable already; what fails here is only done at the next start.
      this.#parts.log.warn({ error: String(error) }, 'the buffer could not be closed in order');
    }
  }

  close(): void {
    this.rest();
    this.#parts.database.close();
  }

  readonly #partitionCount = ({ topic }: Stream): number =>
    Math.max(this.#room.policy(topic).partitions, this.#streams.partitionsOf(topic));

  /** On a full disk the reserve is given back: what frees room must be able to. */
  #insist<T>(operation: () => T): T {
    try {
      return this.#attempt(operation);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      this.#diskFull = true;
      if (!this.#parts.reserve.release()) throw error;
      this.#parts.log.warn({}, 'the disk is full: the reserve is given back');
      return this.#attempt(operation);
    }
  }

  #attempt<T>(operation: () => T): T {
    if (this.#damage) throw this.#damage;
    try {
      return operation();
    } catch (error) {
      this.#noticeDamage(error as Error);
      throw error;
    }
  }

  #noticeDamage(error: Error): void {
    if (!isDamage(error) || this.#damage) return;
    this.#damage = new Error(
      `the buffer's file is damaged (${error.message}); restart to salvage it`,
    );
    this.#parts.log.error({ error: error.message }, 'the buffer is damaged; a restart salvages it');
    this.#parts.onDamage(error);
  }
}

const diskFullOutcome = ({ whenFull }: Delivery): Outcome =>
  whenFull === 'refuse' ? new DeliverError('disk-full', 'the disk of the buffer is full') : 'wait';

const noRoomOutcome = ({ whenFull }: Delivery): Outcome =>
  whenFull === 'refuse'
    ? new DeliverError('buffer-full', 'the buffer is full and nothing more may be dropped')
    : 'wait';
