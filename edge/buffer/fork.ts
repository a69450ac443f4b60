import type { StreamId } from '#shared/wire/link.ts';
import { streamKey } from '#shared/wire/link.ts';
import type { LandedPlaces } from './landed-places.ts';
import { dropLanded } from './landed-prefix.ts';
import type { Ledger } from './ledger.ts';
import type { LossRows } from './loss-rows.ts';
import type { Sealer } from './sealer.ts';
import type { SegmentRows } from './segment-rows.ts';
import { headPosition, positionOf, type Stream, type StreamTable, sequenceOf } from './streams.ts';

export interface ForkParts {
  streams: StreamTable;
  segments: SegmentRows;
  losses: LossRows;
  ledger: Ledger;
  sealer: Sealer;
  places: LandedPlaces;
}

export interface ForkRequest {
  scope: 'unconfirmed' | 'all';
  /** With 'all': what stays, in streams where that is more than the cursor says. */
  keep: readonly (StreamId & { through: number })[];
  epoch: string;
}

/** Positions of one stream that move, in order. */
export interface Piece {
  stream: Stream;
  from: number;
  to: number;
  /** Positions before `from` that are there no more. */
  dropped: number;
}

/**
 * Moves the end of every log to streams of a new epoch. Only names and counters change: a segment
 * keeps its place and is sealed again under its new name when it is read, so that a backlog of any
 * size moves in one short transaction. Answers how many records did not move, since they have
 * landed (landed-prefix.ts).
 */
export function fork(parts: ForkParts, request: ForkRequest): number {
  const { streams } = parts;
  let landed = 0;
  const kept = new Map(request.keep.map((id) => [streamKey(id), id.through]));
  const logs = new Map([...streams].map((stream) => [stream.log, streams.ofLog(stream.log)]));
  for (const members of logs.values()) {
    const found = members.flatMap((stream) => pieceOf(parts, stream, request, kept));
    for (const piece of found) landed += dropLanded(parts, piece);
    for (const piece of found) if (piece.from > piece.to) closeGap(parts, piece);
    const pieces = found.filter(({ from, to }) => from <= to);
    if (pieces.length === 0) continue;
    const { topic, partition } = members[0]!;
    const base = makeSuffix(parts, members, pieces);
    const target = streams.create({ epoch: request.epoch, topic, partition }, base);
    for (const piece of pieces) rename(parts, piece, target);
    parts.ledger.refreshOldest(target);
  }
  return landed;
}

/** Nothing of the piece is left. */
function closeGap({ ledger }: ForkParts, { stream, dropped }: Piece): void {
  stream.head -= dropped;
  ledger.refreshOldest(stream);
}

function pieceOf(
  { streams, segments, sealer, ledger }: ForkParts,
  stream: Stream,
  { scope }: ForkRequest,
  kept: ReadonlyMap<string, number>,
): Piece[] {
  const wanted = scope === 'unconfirmed' ? stream.confirmed : kept.get(streamKey(stream));
  const stays = Math.max(wanted ?? stream.cursor, stream.cursor);
  if (stays >= stream.head) return [];
  streams.touch(stream);
  const from = positionOf(stream, stays + 1);
  const row = segments.holding(stream.log, from);
  if (row && row.pos < from) sealer.cut(stream, row, from);
  ledger.split(stream, from);
  return [{ stream, from, to: headPosition(stream), dropped: 0 }];
}

/**
 * Position from which on the log is all that moves. That is so already, but where a later stream
 * keeps something behind what moves out of an earlier one; then the pieces are put behind
 * everything.
 */
function makeSuffix(
  { segments, losses, streams }: ForkParts,
  members: readonly Stream[],
  pieces: Piece[],
): number {
  const end = Math.max(...members.map(headPosition));
  const size = pieces.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  if (pieces[0]!.from + size === end + 1) return pieces[0]!.from;
  let next = end + 1;
  for (const piece of pieces) {
    const shift = next - piece.from;
    for (let row = segments.from(piece.stream.log, piece.from); row && row.pos <= piece.to; ) {
      segments.moveTo(row, row.pos + shift);
      row = segments.from(piece.stream.log, row.pos + row.count);
    }
    for (const loss of losses.within(piece.stream.log, piece.from, piece.to)) {
      losses.update({ ...loss, pos: loss.pos + shift });
    }
    next += piece.to - piece.from + 1;
    piece.from += shift;
    piece.to += shift;
    streams.touch(piece.stream);
  }
  return end + 1;
}

function rename({ segments, losses, ledger }: ForkParts, piece: Piece, target: Stream): void {
  const { stream, from, to } = piece;
  const moved = segments.sums(stream.log, from, to);
  ledger.leave(stream, moved);
  ledger.enter(target, moved);
  let records = moved.count;
  for (const loss of losses.within(stream.log, from, to)) {
    const first = sequenceOf(target, loss.pos);
    losses.update({ ...loss, epoch: target.epoch, first, offered: 0, doubtful: 0 });
    const lost = loss.scope === 'stream' ? loss.records : 0;
    stream.lost -= lost;
    target.lost += lost;
    stream.lossesPending -= 1;
    target.lossesPending += 1;
    records += lost;
  }
  stream.accepted -= records;
  target.accepted += records;
  const span = to - from + 1;
  stream.head -= span + piece.dropped;
  target.head += span;
  target.newest = Math.max(target.newest, stream.newest);
  ledger.refreshOldest(stream);
}
