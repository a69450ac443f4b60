import type { Database } from 'better-sqlite3';
import type { Clock } from '#shared/std/clock.ts';
import { Ledger } from './ledger.ts';
import { LossRows } from './loss-rows.ts';
import { SegmentRows } from './segment-rows.ts';
import { headPosition, nextPosition, type Stream, StreamTable } from './streams.ts';
import { Transactions } from './transactions.ts';

export interface Salvaged {
  rows?: number;
  /** Records that are still there. */
  records: number;
  /** Records that are not. */
  lost: number;
}

interface Books {
  segments: SegmentRows;
  losses: LossRows;
  ledger: Ledger;
}

/** Counts anew what each stream holds, and declares what is missing. */
export function settleStreams(database: Database, clock: Clock): Salvaged {
  const streams = new StreamTable(database);
  const segments = new SegmentRows(database);
  const losses = new LossRows(database);
  const ledger = new Ledger(losses, segments, clock);
  const transactions = new Transactions(database, streams, () => {});
  const outcome = { records: 0, lost: 0 };
  removeStray(database);
  for (const stream of streams) {
    transactions.durably('salvage', () => {
      streams.touch(stream);
      const lostBefore = stream.lost;
      settle(stream, { segments, losses, ledger });
      outcome.records += stream.backlogRecords;
      outcome.lost += stream.lost - lostBefore;
    });
  }
  return outcome;
}

/** Segments and losses that no stream knows cannot be told from what was acknowledged. */
function removeStray(database: Database): void {
  for (const table of ['segments', 'losses']) {
    const pending = table === 'losses' ? 'landed = 0 AND' : '';
    database.exec(
      `DELETE FROM ${table} WHERE ${pending} NOT EXISTS (SELECT 1 FROM streams WHERE
       streams.log = ${table}.log AND ${table}.pos > base + cursor AND ${table}.pos <= base + head)`,
    );
  }
}

function settle(stream: Stream, { segments, losses, ledger }: Books): void {
  Object.assign(stream, { backlogRecords: 0, backlogBytes: 0, storedBytes: 0, lossesPending: 0 });
  const end = headPosition(stream) + 1;
  for (let pos = nextPosition(stream); pos < end; ) {
    const row = segments.from(stream.log, pos);
    const loss = losses.from(stream.log, pos);
    const next = Math.min(row?.pos ?? end, loss?.pos ?? end, end);
    if (next > pos) {
      const span = next - pos;
      const detail = 'the buffer was damaged on disk';
      const gap = { pos, span, bytes: 0, from: null, to: null, reason: 'corrupt' as const, detail };
      ledger.declare(stream, gap);
      pos = next;
    } else if (loss && loss.pos === pos) {
      stream.lossesPending += 1;
      pos += loss.span;
    } else if (row && row.pos + row.count <= end) {
      ledger.enter(stream, row);
      pos += row.count;
    } else if (row) segments.remove(row);
  }
  removeOverlaps(stream, segments);
  ledger.refreshOldest(stream);
}

/** What begins inside another cannot be right; the walk above stepped over it. */
function removeOverlaps(stream: Stream, segments: SegmentRows): void {
  for (let pos = nextPosition(stream); ; ) {
    const row = segments.from(stream.log, pos);
    if (!row || row.pos > headPosition(stream)) return;
    for (let at = row.pos + 1; ; ) {
      const inner = segments.from(stream.log, at);
      if (!inner || inner.pos >= row.pos + row.count) break;
      segments.remove(inner);
      at = inner.pos + 1;
    }
    pos = row.pos + row.count;
  }
}
