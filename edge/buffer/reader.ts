import { encodeFrame, type Frame, frameSize, type SegmentFrame } from '#shared/wire/frame.ts';
import { streamKey } from '#shared/wire/link.ts';
import { BatchError } from '#shared/wire/record-batch.ts';
import type { ReadBatch, ReadFrame, ReadRequest } from './buffer.ts';
import type { Ledger } from './ledger.ts';
import { type LossRow, type LossRows, lossOf } from './loss-rows.ts';
import type { Sealer } from './sealer.ts';
import { damageOf } from './segment.ts';
import type { SegmentRow, SegmentRows } from './segment-rows.ts';
import {
  headPosition,
  nextPosition,
  type Stream,
  type StreamTable,
  sequenceOf,
} from './streams.ts';
import type { Transactions } from './transactions.ts';

export interface ReaderParts {
  streams: StreamTable;
  segments: SegmentRows;
  losses: LossRows;
  ledger: Ledger;
  sealer: Sealer;
  transactions: Transactions;
  partitionCount(stream: Stream): number;
}

interface Lane {
  stream: Stream;
  /** Next position to hand out. */
  pos: number;
}

/** Hands out the backlog as frames: a segment of each stream in turn. Reading deletes nothing. */
export class Reader {
  readonly #parts: ReaderParts;
  /** Stream that was served last; the next read goes on behind it. */
  #last = -1;

  constructor(parts: ReaderParts) {
    this.#parts = parts;
  }

  read({ from, except, maxBytes }: ReadRequest, acceptClock: number): ReadBatch {
    const lanes = this.#lanes(from, except);
    const batch = new Body(maxBytes);
    const offered: LossRow[] = [];
    while (lanes.length > 0) {
      const lane = lanes.shift()!;
      const next = this.#next(lane);
      if (next === undefined) continue;
      const { frame, loss } = next;
      if (!batch.add(frame)) {
        lanes.push(lane);
        break;
      }
      this.#last = lane.stream.id;
      lane.pos += frame.kind === 'loss' ? frame.loss.span : frame.count;
      lane.stream.sentTo = lane.pos - 1;
      if (loss?.offered === 0) offered.push(loss);
      if (lane.pos <= headPosition(lane.stream)) lanes.push(lane);
    }
    this.#offer(offered);
    return { body: batch.body(), frames: batch.frames, more: lanes.length > 0, acceptClock };
  }

  /** Newer epochs of a topic-partition wait until the older ones have landed. */
  #lanes(from: ReadonlyMap<string, number>, except?: ReadonlySet<string>): Lane[] {
    const lanes: Lane[] = [];
    for (const stream of this.#parts.streams) {
      if (stream.cursor >= stream.head || except?.has(streamKey(stream))) continue;
      const olderWaits = this.#parts.streams
        .ofLog(stream.log)
        .some((other) => other.base < stream.base && other.cursor < other.head);
      if (olderWaits) continue;
      const wanted = from.get(streamKey(stream)) ?? 0;
      const pos = Math.max(stream.base + wanted, nextPosition(stream));
      if (pos <= headPosition(stream)) lanes.push({ stream, pos });
    }
    const start = lanes.findIndex(({ stream }) => stream.id > this.#last);
    return start <= 0 ? lanes : [...lanes.slice(start), ...lanes.slice(0, start)];
  }

  /** What stands at the lane's position, as a frame. */
  #next(lane: Lane): { frame: Frame; loss?: LossRow } | undefined {
    const { segments, losses } = this.#parts;
    const { stream } = lane;
    while (lane.pos <= headPosition(stream)) {
      const row = segments.holding(stream.log, lane.pos);
      const frame = row && this.#segmentFrame(stream, row, lane.pos);
      if (frame) return { frame };
      const loss = losses.holding(stream.log, lane.pos);
      if (loss) {
        lane.pos = loss.pos;
        return { frame: { kind: 'loss', ...this.#head(stream), loss: lossOf(loss) }, loss };
      }
      if (!row) this.#fillHole(lane);
    }
    return undefined;
  }

  #head(stream: Stream) {
    const { epoch, topic, partition } = stream;
    return { epoch, topic, partition, partitionCount: this.#parts.partitionCount(stream) };
  }

  /** undefined when the bytes are damaged; then a loss has taken their place. */
  #segmentFrame(stream: Stream, row: SegmentRow, pos: number): SegmentFrame | undefined {
    const { streams, transactions, ledger } = this.#parts;
    try {
      const { batch, runs } = this.#sealed(stream, row, pos);
      const { acceptedFrom, acceptedTo } = row;
      return {
        ...{ kind: 'segment', ...this.#head(stream), first: sequenceOf(stream, pos) },
        ...{ count: row.pos + row.count - pos, acceptedFrom, acceptedTo },
        ...{ provenance: 'headers', runs, batch },
      };
    } catch (error) {
      if (!(error instanceof BatchError)) throw error;
      transactions.durably('corrupt', () =>
        ledger.lose(streams.touch(stream), row, 'corrupt', `on disk: ${error.message}`),
      );
      return undefined;
    }
  }

  /** As it was sealed, unless it was sealed under another name or only its end is wanted. */
  #sealed(stream: Stream, row: SegmentRow, pos: number): Pick<SegmentFrame, 'batch' | 'runs'> {
    const { sealer, segments } = this.#parts;
    if (row.stream !== stream.id || row.pos !== pos) return sealer.reseal(stream, row, pos);
    const batch = segments.batch(row);
    const damage = damageOf(batch, row.count);
    if (damage === undefined) return { batch, runs: sealer.runsOf(stream, row) };
    throw new BatchError('bad-crc', damage);
  }

  /** Nothing is at a position that something was appended to: the file lost it. */
  #fillHole(lane: Lane): void {
    const { segments, losses, ledger, streams, transactions } = this.#parts;
    const { stream, pos } = lane;
    const ends = [segments.from(stream.log, pos)?.pos, losses.from(stream.log, pos)?.pos];
    const end = Math.min(...ends.map((next) => next ?? Number.POSITIVE_INFINITY));
    const span = Math.min(end, headPosition(stream) + 1) - pos;
    const detail = 'on disk: the records are missing';
    transactions.durably('corrupt', () => {
      streams.touch(stream).backlogRecords -= span;
      const loss = {
        pos,
        span,
        bytes: 0,
        from: null,
        to: null,
        reason: 'corrupt' as const,
        detail,
      };
      ledger.declare(stream, loss);
    });
  }

  /** Before a loss leaves for the first time: from now on it does not change. */
  #offer(offered: readonly LossRow[]): void {
    if (offered.length === 0) return;
    const { losses, transactions } = this.#parts;
    transactions.durably('offer', () => {
      for (const loss of offered) losses.update({ ...loss, offered: 1 });
    });
  }
}

/** A request body in the making. */
class Body {
  readonly frames: ReadFrame[] = [];
  readonly #maxBytes: number;
  readonly #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** False when it does not fit; the first one always does. */
  add(frame: Frame): boolean {
    const bytes = frameSize(frame);
    if (this.frames.length > 0 && this.#bytes + bytes > this.#maxBytes) return false;
    const { epoch, topic, partition, kind } = frame;
    const first = frame.kind === 'loss' ? frame.loss.first : frame.first;
    const span = frame.kind === 'loss' ? frame.loss.span : frame.count;
    this.#pieces.push(...encodeFrame(frame));
    this.#bytes += bytes;
    this.frames.push({ epoch, topic, partition, kind, first, span, bytes });
    return true;
  }

  /** In memory of its own, so that it can be handed to another thread. */
  body(): Uint8Array<ArrayBuffer> {
    const body = new Uint8Array(this.#bytes);
    let at = 0;
    for (const piece of this.#pieces) {
      body.set(piece, at);
      at += piece.length;
    }
    return body;
  }
}
