import type { SourceRun } from '#shared/wire/frame.ts';
import type { ForkParts, Piece } from './fork.ts';
import type { LossRow } from './loss-rows.ts';
import type { SegmentRow } from './segment-rows.ts';

/**
 * Takes out of the beginning of a piece what has landed through another buffer; answers how many
 * records. A partition is read in order, so it is the beginning; what the source lost in between is
 * of the same stretch, which the other buffer carried over or declared. What came from elsewhere
 * into the same topic stays, and so does every loss of our own, of which nobody knows where it came
 * from. Within the transaction.
 */
export function dropLanded(parts: ForkParts, piece: Piece): number {
  const { segments, ledger, sealer } = parts;
  const { stream, from } = piece;
  const end = landedEnd(parts, piece);
  if (end < from) return 0;
  const row = segments.holding(stream.log, end);
  if (row && row.pos + row.count - 1 > end) sealer.cut(stream, row, end + 1);
  ledger.split(stream, end + 1);
  const kept = keptIn(parts, piece, end);
  let records = 0;
  let first = from;
  for (const { pos, span } of [...kept, { pos: end + 1, span: 0 }]) {
    const gone = segments.removeRange(stream.log, first, pos - 1);
    ledger.leave(stream, gone);
    records += gone.count;
    first = pos + span;
  }
  stream.accepted -= records;
  piece.from = moveUp(parts, kept, end);
  piece.dropped = piece.from - from;
  return records;
}

interface Kept {
  pos: number;
  span: number;
  what: { row: SegmentRow } | { loss: LossRow };
}

/** What of the landed stretch is none of it, in order. Losses of the source go. */
function keptIn({ segments, losses, sealer }: ForkParts, piece: Piece, end: number): Kept[] {
  const { stream, from } = piece;
  const kept: Kept[] = [];
  for (let row = segments.from(stream.log, from); row && row.pos <= end; ) {
    const { pos, count: span } = row;
    if (sealer.runsOf(stream, row).length === 0) kept.push({ pos, span, what: { row } });
    row = segments.from(stream.log, pos + span);
  }
  for (const loss of losses.within(stream.log, from, end)) {
    if (loss.scope === 'stream') kept.push({ pos: loss.pos, span: loss.span, what: { loss } });
    else {
      losses.remove(loss);
      stream.lossesPending -= 1;
    }
  }
  return kept.sort((a, b) => a.pos - b.pos);
}

/** Up to what is behind `end`, without a hole. Answers where the first of them stands then. */
function moveUp({ segments, losses }: ForkParts, kept: readonly Kept[], end: number): number {
  let next = end + 1;
  for (const { pos, span, what } of kept.toReversed()) {
    next -= span;
    if (pos === next) continue;
    if ('row' in what) segments.moveTo(what.row, next);
    else losses.update({ ...what.loss, pos: next });
  }
  return next;
}

/** Position of the last record of the piece's beginning that has landed; before it: none. */
function landedEnd({ segments, sealer, places }: ForkParts, { stream, from, to }: Piece): number {
  const { topic, partition, log } = stream;
  /** How far each life was read: where a log was cut back, its offsets mean other records. */
  const read = new Map<string, number>();
  const landed = ({ incarnation, sourceOffset, count }: SourceRun): number => {
    if (sourceOffset < (read.get(incarnation) ?? 0)) return 0;
    read.set(incarnation, sourceOffset + count);
    const next = places.next({ topic, partition, incarnation });
    return Math.max(0, Math.min(count, next - sourceOffset));
  };
  let end = from - 1;
  for (let row = segments.from(log, from); row && row.pos <= to; ) {
    let behind = row.pos;
    for (const run of sealer.runsOf(stream, row)) {
      const count = landed(run);
      behind += count;
      if (count > 0) end = behind - 1;
      if (count < run.count) return end;
    }
    row = segments.from(log, row.pos + row.count);
  }
  return end;
}
