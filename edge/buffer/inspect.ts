import { existsSync, statSync } from 'node:fs';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import type { Clock } from '#shared/std/clock.ts';
import type { StreamId } from '#shared/wire/link.ts';
import type { WireRecord } from '#shared/wire/record.ts';
import { AcceptClock } from './accept-clock.ts';
import type { BufferOptions, BufferReport, LedgerLoss } from './buffer.ts';
import { BufferOpenError, isDamage } from './buffer-errors.ts';
import { LossRows } from './loss-rows.ts';
import { Meta } from './meta.ts';
import { policyOf } from './options.ts';
import { reportStreams } from './report.ts';
import { refuseNewer } from './schema.ts';
import { openRecords } from './segment.ts';
import { SegmentRows } from './segment-rows.ts';
import { headPosition, nextPosition, type Stream, StreamTable, sequenceOf } from './streams.ts';

/** Records that follow each other in a stream. */
export interface InspectedRun extends StreamId {
  first: number;
  records: WireRecord[];
}

/** A segment that cannot be read. */
export interface DamagedRun extends StreamId {
  first: number;
  count: number;
  damage: string;
}

/**
 * A look at a buffer's file, whether an agent owns it or not: opened for reading only, no session
 * is begun, nothing changes. Every read is short, so that the owner's WAL is never held back.
 */
export class Inspection {
  readonly #database: Database;
  readonly #options: BufferOptions;
  readonly #clock: Clock;

  /** Throws a BufferOpenError `missing`, `newer-file` or `unusable`. */
  constructor(options: BufferOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    this.#database = openReadOnly(options.path);
  }

  /** As the agent reports it, but for what only the agent knows. */
  report(): Pick<BufferReport, 'streams' | 'totals' | 'usedBytes' | 'maxBytes' | 'quarantined'> {
    const streams = new StreamTable(this.#database);
    const partitionCount = ({ topic }: Stream) =>
      Math.max(policyOf(this.#options, topic).partitions, streams.partitionsOf(topic));
    const meta = new Meta(this.#database);
    const accept = meta.number('clock_accept');
    const wall = meta.number('clock_wall');
    const mark = accept === null || wall === null ? undefined : { accept, wall };
    const newest = Math.max(0, ...[...streams].map((stream) => stream.newest));
    const retired = {
      accepted: meta.number('retired_accepted') ?? 0,
      acked: meta.number('retired_acked') ?? 0,
      lost: meta.number('retired_lost') ?? 0,
    };
    const { streams: told, totals } = reportStreams(streams, {
      ...{ version: 0, maxStreams: streams.size, partitionCount, retired },
      now: new AcceptClock(this.#clock, mark, newest).now(),
    });
    const quarantined = this.#database
      .prepare('SELECT count(*) FROM quarantine')
      .pluck()
      .get() as number;
    const { maxBytes } = this.#options;
    return { streams: told, totals, usedBytes: this.#bytesOnDisk(), maxBytes, quarantined };
  }

  /** Newest first. */
  losses(limit: number): LedgerLoss[] {
    return new LossRows(this.#database).newest(limit);
  }

  /**
   * Everything that waits for central, oldest epoch first, stream by stream, a segment at a time.
   * What is acknowledged meanwhile is left out; so is what is appended after the first step.
   */
  *records(topic?: string): Generator<InspectedRun | DamagedRun> {
    const segments = new SegmentRows(this.#database);
    const streams = [...new StreamTable(this.#database)]
      .filter((stream) => topic === undefined || stream.topic === topic)
      .sort((a, b) => a.topic.localeCompare(b.topic) || a.log - b.log || a.base - b.base);
    for (const stream of streams) {
      for (let pos = nextPosition(stream); pos <= headPosition(stream); ) {
        const row = segments.holding(stream.log, pos) ?? segments.from(stream.log, pos);
        if (!row || row.pos > headPosition(stream)) break;
        const batch = segments.batch(row) as Buffer | undefined;
        const start = Math.max(pos, row.pos);
        pos = row.pos + row.count;
        // Acknowledged or merged since: whatever took its place is found from the same position.
        if (batch === undefined) pos = start;
        else yield runOf(stream, start, start - row.pos, row.count, batch);
      }
    }
  }

  close(): void {
    this.#database.close();
  }

  #bytesOnDisk(): number {
    const { path } = this.#options;
    return ['', '-wal', '-reserve']
      .map((end) => statSync(path + end, { throwIfNoEntry: false })?.size ?? 0)
      .reduce((sum, size) => sum + size, 0);
  }
}

function runOf(
  { epoch, topic, partition, ...stream }: Stream,
  pos: number,
  skip: number,
  count: number,
  batch: Buffer,
): InspectedRun | DamagedRun {
  const first = sequenceOf({ epoch, topic, partition, ...stream }, pos);
  try {
    return { epoch, topic, partition, first, records: openRecords(batch).slice(skip) };
  } catch (error) {
    const damage = (error as Error).message;
    return { epoch, topic, partition, first, count: count - skip, damage };
  }
}

function openReadOnly(path: string): Database {
  if (!existsSync(path)) {
    throw new BufferOpenError(
      'missing',
      `buffer.path = ${path}: there is no buffer; it comes into being with the first run`,
    );
  }
  try {
    const database = new SqliteDatabase(path, { readonly: true, timeout: 5000 });
    refuseNewer(database);
    return database;
  } catch (error) {
    if (error instanceof BufferOpenError) throw error;
    const hint = isDamage(error)
      ? 'it is damaged; the next start of the agent salvages it'
      : 'check that this user may read it and write in its folder';
    const message = `buffer.path = ${path} cannot be read: ${(error as Error).message}; ${hint}`;
    throw new BufferOpenError('unusable', message, { cause: error });
  }
}
