import type { Database, Statement } from 'better-sqlite3';
import { type StreamId, streamKey } from '#shared/wire/link.ts';

/**
 * One stream as it is in the table, plus what only this run knows. The counters are kept each on
 * its own (never one computed from the others), so that accepted = acked + backlogRecords + lost is
 * a check.
 */
export interface Stream extends StreamId {
  readonly id: number;
  /** The topic-partition over all epochs; positions count within it. */
  readonly log: number;
  /** Position of sequence 0. */
  base: number;
  head: number;
  cursor: number;
  /** Highest sequence inherited from confirmed sessions when this run began; fixed for the run. */
  confirmed: number;
  /** One for each run of the identity's `unconfirmed`; see HelloStream. */
  ends: number[];
  accepted: number;
  acked: number;
  lost: number;
  backlogRecords: number;
  /** Payload. */
  backlogBytes: number;
  /** What the batches take, about. */
  storedBytes: number;
  lossesPending: number;
  /**
   * When the oldest record of the backlog was accepted (accept clock, ms); null without a backlog.
   */
  oldest: number | null;
  /** When anything was last accepted. */
  newest: number;
  /** Counts up over all streams; see report.ts. */
  version: number;
  /** Position up to which the latest read handed out: may be under way to central. */
  sentTo: number;
  /** Position up to which records may have landed without our knowing: sent, and no answer. */
  doubtTo: number;
  /** Segments appended since the last look at whether they should be merged. */
  unmerged: number;
}

/** Counters of streams that are gone. */
export interface Retired {
  accepted: number;
  acked: number;
  lost: number;
}

const columns = [
  ...['id', 'log', 'epoch', 'topic', 'partition', 'base', 'head', 'cursor', 'confirmed'],
  ...['accepted', 'acked', 'lost', 'backlog_records', 'backlog_bytes', 'stored_bytes'],
  ...['losses_pending', 'oldest', 'newest'],
];

type Row = Omit<Stream, keyof typeof atStart | 'ends' | 'version' | 'doubtTo'>;

const atStart = { sentTo: -1, unmerged: 0 };

/**
 * All streams, in memory: loaded at start (their number is bounded, the backlog's size is not),
 * changed in place within a transaction after `touch`, saved at its end, put back when it fails.
 */
export class StreamTable {
  readonly #byKey = new Map<string, Stream>();
  readonly #byLog = new Map<number, Stream[]>();
  readonly #logs = new Map<string, number>();
  readonly #partitions = new Map<string, number>();
  readonly #touched = new Map<Stream, Stream>();
  readonly #created = new Set<Stream>();
  readonly #removed = new Set<Stream>();
  readonly #insert: Statement;
  readonly #update: Statement;
  readonly #delete: Statement;
  #version = 0;
  #nextId: number;

  constructor(database: Database) {
    const camel = (name: string) => name.replace(/_[a-z]/g, (hit) => hit.charAt(1).toUpperCase());
    const rows = database
      .prepare(
        `SELECT ${columns.map((name) => `${name} AS ${camel(name)}`)} FROM streams ORDER BY log, base`,
      )
      .all() as Row[];
    for (const row of rows) {
      const doubtTo = row.base + row.head;
      this.#add({ ...row, ...atStart, ends: [], version: ++this.#version, doubtTo });
    }
    this.#nextId = Math.max(0, ...rows.map(({ id, log }) => Math.max(id, log))) + 1;
    this.#insert = database.prepare(
      `INSERT INTO streams (${columns}) VALUES (${columns.map((name) => `:${camel(name)}`)})`,
    );
    const mutable = columns.filter(
      (name) => !['id', 'log', 'epoch', 'topic', 'partition'].includes(name),
    );
    this.#update = database.prepare(
      `UPDATE streams SET ${mutable.map((name) => `${name} = :${camel(name)}`)} WHERE id = :id`,
    );
    this.#delete = database.prepare('DELETE FROM streams WHERE id = ?');
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** Of the latest change. */
  get version(): number {
    return this.#version;
  }

  [Symbol.iterator](): IterableIterator<Stream> {
    return this.#byKey.values();
  }

  get(id: StreamId): Stream | undefined {
    return this.#byKey.get(streamKey(id));
  }

  /** Oldest epoch first. */
  ofLog(log: number): readonly Stream[] {
    return this.#byLog.get(log) ?? [];
  }

  /** Partitions that a topic is known to have. */
  partitionsOf(topic: string): number {
    return this.#partitions.get(topic) ?? 0;
  }

  /** Before its fields are changed in a transaction. */
  touch(stream: Stream): Stream {
    if (!this.#touched.has(stream)) this.#touched.set(stream, { ...stream });
    return stream;
  }

  /** Behind all that its topic-partition holds, unless `base` is given. */
  create(id: StreamId, base?: number): Stream {
    const streamId = this.#nextId++;
    const last = this.ofLog(this.#logs.get(logKey(id)) ?? -1).at(-1);
    const stream: Stream = {
      ...{ id: streamId, log: last?.log ?? streamId },
      ...{ epoch: id.epoch, topic: id.topic, partition: id.partition },
      base: base ?? (last ? last.base + last.head + 1 : 0),
      ...{ head: -1, cursor: -1, confirmed: -1, accepted: 0, acked: 0, lost: 0 },
      ...{ backlogRecords: 0, backlogBytes: 0, storedBytes: 0, lossesPending: 0 },
      ...{ oldest: null, newest: 0, ends: [], version: 0, ...atStart, doubtTo: -1 },
    };
    this.#created.add(stream);
    this.#add(stream);
    return this.touch(stream);
  }

  remove(stream: Stream): void {
    this.touch(stream);
    this.#removed.add(stream);
    this.#byKey.delete(streamKey(stream));
    const rest = this.ofLog(stream.log).filter((other) => other !== stream);
    if (rest.length > 0) {
      this.#byLog.set(stream.log, rest);
      return;
    }
    this.#byLog.delete(stream.log);
    this.#logs.delete(logKey(stream));
  }

  /** Within the transaction, at its end. */
  save(): void {
    for (const stream of this.#removed) if (!this.#created.has(stream)) this.#delete.run(stream.id);
    for (const stream of this.#touched.keys()) {
      if (this.#removed.has(stream)) continue;
      (this.#created.has(stream) ? this.#insert : this.#update).run(stream);
    }
  }

  /** After the commit. */
  settle(): void {
    for (const stream of this.#touched.keys()) stream.version = ++this.#version;
    this.#forgetChanges();
  }

  /** After a failure. */
  revert(): void {
    for (const stream of this.#created) this.remove(stream);
    for (const [stream, before] of this.#touched) Object.assign(stream, before);
    for (const stream of this.#removed) if (!this.#created.has(stream)) this.#add(stream);
    this.#forgetChanges();
  }

  #forgetChanges(): void {
    this.#touched.clear();
    this.#created.clear();
    this.#removed.clear();
  }

  #add(stream: Stream): void {
    this.#byKey.set(streamKey(stream), stream);
    this.#logs.set(logKey(stream), stream.log);
    const partitions = Math.max(stream.partition + 1, this.partitionsOf(stream.topic));
    this.#partitions.set(stream.topic, partitions);
    const others = this.ofLog(stream.log).filter((other) => other !== stream);
    this.#byLog.set(
      stream.log,
      [...others, stream].sort((a, b) => a.base - b.base || a.id - b.id),
    );
  }
}

const logKey = ({ topic, partition }: { topic: string; partition: number }): string =>
  `${topic}/${partition}`;

/** What was sent so far and not answered may have landed. */
export function doubtSent(stream: Stream): void {
  stream.doubtTo = Math.max(stream.doubtTo, stream.sentTo);
  stream.sentTo = -1;
}

export const positionOf = (stream: Stream, sequence: number): number => stream.base + sequence;
export const sequenceOf = (stream: Stream, position: number): number => position - stream.base;
/** First position that is not acknowledged. */
export const nextPosition = (stream: Stream): number => stream.base + stream.cursor + 1;
export const headPosition = (stream: Stream): number => stream.base + stream.head;
