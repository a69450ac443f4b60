import type { SourceRun } from '#shared/wire/frame.ts';
import type { ForkParts, Piece } from './fork.ts';

/**
 * Takes off the beginning of a piece what has landed through another buffer; answers how many
 * records. A partition is read in order, so it is the beginning; losses of the source in between
 * are of the same stretch, which the other buffer carried over or declared. Within the transaction.
 */
export function dropLanded(parts: ForkParts, piece: Piece): number {
  const { segments, losses, ledger, sealer } = parts;
  const { stream, from } = piece;
  const end = landedEnd(parts, piece);
  if (end < from) return 0;
  const row = segments.holding(stream.log, end);
  if (row && row.pos + row.count - 1 > end) sealer.cut(stream, row, end + 1);
  ledger.split(stream, end + 1);
  const gone = segments.removeRange(stream.log, from, end);
  ledger.leave(stream, gone);
  let records = gone.count;
  for (const loss of losses.within(stream.log, from, end)) {
    losses.remove(loss);
    stream.lossesPending -= 1;
    if (loss.scope === 'source') continue;
    stream.lost -= loss.records;
    records += loss.records;
  }
  stream.accepted -= records;
  piece.dropped = end + 1 - from;
  piece.from = end + 1;
  return records;
}

/** Position of the last record of the piece's beginning that has landed; before it: none. */
function landedEnd({ segments, sealer, places }: ForkParts, { stream, from, to }: Piece): number {
  const { topic, partition, log } = stream;
  const landed = ({ incarnation, sourceOffset, count }: SourceRun): number => {
    const next = places.next({ topic, partition, incarnation });
    return Math.max(0, Math.min(count, next - sourceOffset));
  };
  let end = from - 1;
  let row = segments.from(log, from);
  while (row && row.pos <= to) {
    let behind = row.pos;
    for (const run of sealer.runsOf(stream, row)) {
      const count = landed(run);
      behind += count;
      if (count < run.count) break;
    }
    if (behind > row.pos) end = behind - 1;
    if (behind < row.pos + row.count) break;
    row = segments.from(log, behind);
  }
  return end;
}
