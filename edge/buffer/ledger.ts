import type { Clock } from '#shared/std/clock.ts';
import { limits } from '#shared/wire/limits.ts';
import type { LossReason } from '#shared/wire/loss.ts';
import type { LossRow, LossRows } from './loss-rows.ts';
import type { SegmentRow, SegmentRows } from './segment-rows.ts';
import { headPosition, nextPosition, type Stream, sequenceOf } from './streams.ts';

/** What takes the place of records, or of a record that was never stored. */
export interface NewLoss {
  pos: number;
  span: number;
  bytes: number;
  from: number | null;
  to: number | null;
  reason: LossReason;
  detail: string;
}

/**
 * Keeps the books: what leaves the backlog, and as what. All within a transaction, on streams that
 * were touched.
 */
export class Ledger {
  readonly #losses: LossRows;
  readonly #segments: SegmentRows;
  readonly #clock: Clock;

  constructor(losses: LossRows, segments: SegmentRows, clock: Clock) {
    this.#losses = losses;
    this.#segments = segments;
    this.#clock = clock;
  }

  /** Records that were accepted are lost: `records` of them equal `span`. */
  declare(stream: Stream, loss: NewLoss): void {
    stream.lost += loss.span;
    if (loss.reason === 'evicted' && this.#extend(stream, loss)) return;
    const doubtful = isDoubtful(stream, loss);
    this.#insert(stream, { ...loss, records: loss.span, scope: 'stream', doubtful });
  }

  /** A marker for what the source lost before it came to us. */
  declareAtSource(stream: Stream, pos: number, records: number, detail: string, at: number): void {
    const marker = { pos, span: 1, bytes: 0, from: at, to: at, reason: 'source-gap' as const };
    this.#insert(stream, { ...marker, detail, records, scope: 'source', doubtful: 0 });
  }

  /** The segment goes, a loss takes its place. */
  lose(stream: Stream, row: SegmentRow, reason: LossReason, detail: string): void {
    this.#segments.remove(row);
    this.leave(stream, row);
    this.declare(stream, {
      ...{ pos: row.pos, span: row.count, bytes: row.bytes },
      ...{ from: row.acceptedFrom, to: row.acceptedTo, reason, detail },
    });
    this.refreshOldest(stream);
  }

  /** Counts records out of the backlog; the caller says what became of them. */
  leave(stream: Stream, gone: { count: number; bytes: number; stored: number }): void {
    stream.backlogRecords -= gone.count;
    stream.backlogBytes -= gone.bytes;
    stream.storedBytes -= gone.stored;
  }

  enter(stream: Stream, come: { count: number; bytes: number; stored: number }): void {
    this.leave(stream, { count: -come.count, bytes: -come.bytes, stored: -come.stored });
  }

  refreshOldest(stream: Stream): void {
    const row = this.#segments.from(stream.log, nextPosition(stream));
    stream.oldest = row && row.pos <= headPosition(stream) ? row.acceptedFrom : null;
  }

  /** Part of a loss, or all of it, had landed as records: it is none. */
  #unlose(stream: Stream, loss: LossRow, records: number): void {
    if (loss.scope === 'source') return;
    stream.lost -= records;
    stream.acked += records;
  }

  /**
   * The cursor passes `through`: central has everything up to there. What it was never offered as a
   * loss it can only have as records (they were under way when they were dropped here). Answers how
   * many sequences of losses were passed.
   */
  passLosses(stream: Stream, from: number, through: number): number {
    let passed = 0;
    for (const loss of this.#losses.within(stream.log, from, through)) {
      const end = loss.pos + loss.span - 1;
      if (end > through) {
        this.#cutOff(stream, loss, through - loss.pos + 1);
        return passed + through - loss.pos + 1;
      }
      passed += loss.span;
      stream.lossesPending -= 1;
      if (loss.offered === 1) this.#losses.update({ ...loss, landed: 1 });
      else {
        this.#unlose(stream, loss, loss.records);
        this.#losses.remove(loss);
      }
    }
    return passed;
  }

  /**
   * How far the cursor may go towards `through`: not past a loss in doubt that was offered before
   * and not since. It is offered again, and then central says what of it had landed as records.
   */
  passable(stream: Stream, from: number, through: number): number {
    const held = this.#losses
      .within(stream.log, from, through)
      .find(({ offered, doubtful, pos }) => offered && doubtful && pos > stream.sentTo);
    return held ? held.pos - 1 : through;
  }

  /** Makes a boundary before `pos` where a loss stands across it. */
  split(stream: Stream, pos: number): void {
    const loss = this.#losses.holding(stream.log, pos);
    if (!loss || loss.pos === pos) return;
    const left = pos - loss.pos;
    const bytes = Math.round((loss.bytes * left) / loss.span);
    this.#losses.update({ ...loss, span: left, records: left, bytes });
    const right = { ...loss, pos, span: loss.span - left, bytes: loss.bytes - bytes };
    this.#insert(stream, { ...right, records: right.span });
  }

  /** Its first `landed` sequences had landed as records. */
  #cutOff(stream: Stream, loss: LossRow, landed: number): void {
    this.#unlose(stream, loss, landed);
    const left = loss.span - landed;
    this.#losses.update({
      ...loss,
      ...{ pos: loss.pos + landed, first: loss.first + landed, span: left, records: left },
      bytes: Math.round((loss.bytes * left) / loss.span),
    });
  }

  /**
   * Central told how many of its sequences had landed as records. Telling it again changes nothing.
   */
  clip(stream: Stream, loss: LossRow, landed: number): void {
    const more = Math.min(landed, loss.span) - loss.clipped;
    if (more <= 0 || loss.scope === 'source') return;
    this.#unlose(stream, loss, more);
    const clipped = { ...loss, clipped: loss.clipped + more, records: loss.records - more };
    if (clipped.records > 0) {
      this.#losses.update(clipped);
      return;
    }
    this.#losses.remove(loss);
    if (loss.landed === 0) stream.lossesPending -= 1;
  }

  #insert(stream: Stream, loss: NewLoss & Pick<LossRow, 'records' | 'scope' | 'doubtful'>): void {
    const { epoch, topic, partition, log } = stream;
    const detail = loss.detail.slice(0, limits.lossDetailLength);
    const first = sequenceOf(stream, loss.pos);
    const declaredAt = this.#clock.now();
    this.#losses.insert({ ...loss, detail, log, epoch, topic, partition, first, declaredAt });
    stream.lossesPending += 1;
  }

  /**
   * An outage of weeks must not make a million lines: neighbours become one, unless central knows
   * them.
   */
  #extend(stream: Stream, loss: NewLoss): boolean {
    const before = this.#neighbour(stream, loss.pos - 1);
    const after = this.#neighbour(stream, loss.pos + loss.span);
    const kept = before ?? after;
    if (kept === undefined) return false;
    const parts = [before, loss, after].filter((part) => part !== undefined);
    const sum = (of: (part: NewLoss) => number) =>
      parts.reduce((total, part) => total + of(part), 0);
    const span = sum((part) => part.span);
    if (before && after) {
      this.#losses.remove(after);
      stream.lossesPending -= 1;
    }
    this.#losses.update({
      ...kept,
      ...{ pos: parts[0]!.pos, first: sequenceOf(stream, parts[0]!.pos), span, records: span },
      bytes: sum((part) => part.bytes),
      doubtful: Math.max(before?.doubtful ?? 0, isDoubtful(stream, loss), after?.doubtful ?? 0),
      from: Math.min(...parts.map((part) => part.from ?? Number.POSITIVE_INFINITY)),
      to: Math.max(...parts.map((part) => part.to ?? 0)),
    });
    return true;
  }

  #neighbour(stream: Stream, pos: number): LossRow | undefined {
    if (pos < nextPosition(stream) || pos > headPosition(stream)) return undefined;
    const row = this.#losses.holding(stream.log, pos);
    const mergeable = row?.reason === 'evicted' && row.offered === 0 && row.epoch === stream.epoch;
    return mergeable ? row : undefined;
  }
}

/** Central's refusal is an answer; of what it was sent without an answer nobody knows. */
const isDoubtful = (stream: Stream, { pos, reason }: NewLoss): number =>
  reason !== 'refused' && pos <= Math.max(stream.sentTo, stream.doubtTo) ? 1 : 0;
