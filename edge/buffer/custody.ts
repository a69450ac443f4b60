import type { StreamId } from '#shared/wire/link.ts';
import type { Ledger } from './ledger.ts';
import type { LossRows } from './loss-rows.ts';
import type { Quarantine } from './quarantine.ts';
import type { Sealer } from './sealer.ts';
import type { SegmentRows } from './segment-rows.ts';
import {
  headPosition,
  nextPosition,
  positionOf,
  type Stream,
  type StreamTable,
  sequenceOf,
} from './streams.ts';

export interface CustodyParts {
  streams: StreamTable;
  segments: SegmentRows;
  losses: LossRows;
  ledger: Ledger;
  sealer: Sealer;
  quarantine: Quarantine;
  now(): number;
}

type Acks = readonly (StreamId & { through: number })[];

/** What central's answers do to the backlog. All within a transaction. */
export class Custody {
  readonly #parts: CustodyParts;

  constructor(parts: CustodyParts) {
    this.#parts = parts;
  }

  /** Whether anything would move. */
  movesAny(acks: Acks): boolean {
    return acks.some((ack) => {
      const stream = this.#parts.streams.get(ack);
      return stream !== undefined && this.#passable(stream, ack.through) > stream.cursor;
    });
  }

  #passable(stream: Stream, through: number): number {
    if (through <= stream.cursor) return through;
    const last = positionOf(stream, Math.min(through, stream.head));
    return sequenceOf(stream, this.#parts.ledger.passable(stream, nextPosition(stream), last));
  }

  /** While nothing is under way, central's word settles what may have landed: that, and no more. */
  settleDoubt(acks: Acks): void {
    for (const ack of acks) {
      const stream = this.#parts.streams.get(ack);
      if (!stream || stream.sentTo >= 0) continue;
      stream.doubtTo = ack.through > stream.cursor ? positionOf(stream, ack.through) : -1;
    }
  }

  /** Forward only, and never beyond what was appended. */
  acknowledge(acks: Acks): void {
    for (const ack of acks) {
      const stream = this.#parts.streams.get(ack);
      if (stream) this.#pass(stream, this.#passable(stream, ack.through));
    }
    this.#parts.losses.trim();
  }

  #pass(stream: Stream, through: number): void {
    if (through <= stream.cursor) return;
    const { segments, ledger, streams, sealer } = this.#parts;
    streams.touch(stream);
    const last = positionOf(stream, through);
    const row = segments.holding(stream.log, last);
    if (row && row.pos + row.count - 1 > last) sealer.cut(stream, row, last + 1);
    const from = nextPosition(stream);
    const gone = segments.removeRange(stream.log, from, last);
    const lost = ledger.passLosses(stream, from, last);
    // Where the file lost records that central has, they are counted here.
    const count = last - from + 1 - lost;
    ledger.leave(stream, { ...gone, count });
    stream.acked += count;
    stream.cursor = through;
    ledger.refreshOldest(stream);
  }

  /** A boundary at sequence `expected`; nothing happens where there is one already. */
  cut(id: StreamId, expected: number): void {
    const { streams, segments, sealer } = this.#parts;
    const stream = streams.get(id);
    if (!stream) return;
    const pos = positionOf(stream, expected);
    const row = segments.holding(stream.log, pos);
    const isOurs = pos >= nextPosition(stream) && pos <= headPosition(stream);
    if (row && isOurs && row.pos < pos) sealer.cut(streams.touch(stream), row, pos);
  }

  /** False when nothing begins there any more. */
  refuse(id: StreamId, first: number, code: string, message: string): boolean {
    const { streams, segments, ledger, quarantine, now } = this.#parts;
    const stream = streams.get(id);
    if (!stream || first <= stream.cursor) return false;
    const row = segments.holding(stream.log, positionOf(stream, first));
    if (!row || sequenceOf(stream, row.pos) !== first) return false;
    quarantine.add(stream, row, segments.batch(row), { code, message, at: now() });
    ledger.lose(streams.touch(stream), row, 'refused', `${code}: ${message}`);
    return true;
  }

  /** Central took the loss, but had landed part of it as records. */
  clip(id: StreamId, lossFirst: number, landed: number): void {
    const { streams, losses, ledger } = this.#parts;
    const stream = streams.get(id);
    const loss = losses.at(id, lossFirst);
    if (!stream || !loss) return;
    const through = loss.first + loss.span - 1;
    // What central answered it has seen: a loss that it clips is one that it was offered.
    if (loss.landed === 0) losses.update({ ...loss, offered: 1 });
    this.#pass(stream, through);
    const passed = losses.at(id, lossFirst);
    if (passed) ledger.clip(streams.touch(stream), passed, landed);
  }
}
