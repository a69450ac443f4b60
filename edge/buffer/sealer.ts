import type { SourceRun } from '#shared/wire/frame.ts';
import { BatchError } from '#shared/wire/record-batch.ts';
import type { RunsSealer } from '#shared/wire/seal-runs.ts';
import type { BufferOptions } from './buffer.ts';
import type { Ledger } from './ledger.ts';
import { neighboursToMerge, planMerge, tailLength } from './merge.ts';
import {
  compressFrom,
  type Origin,
  openRecords,
  type Sealed,
  seal,
  targetBytes,
  type Weighed,
  weigh,
} from './segment.ts';
import type { SegmentRow, SegmentRows } from './segment-rows.ts';
import { type SourceRunRows, sourceRunsOf } from './source-run-rows.ts';
import { nextPosition, type Stream, sequenceOf } from './streams.ts';

/** With where its records stood at their source, if anywhere. */
export type SealedHere = Sealed & { runs: readonly SourceRun[] };

/** Seals the segments of streams, and seals them again where their boundaries change. */
export class Sealer {
  readonly #segments: SegmentRows;
  readonly #runs: SourceRunRows;
  readonly #ledger: Ledger;
  readonly #options: Pick<BufferOptions, 'alias' | 'compression'>;

  constructor(
    parts: { segments: SegmentRows; runs: SourceRunRows; ledger: Ledger },
    options: BufferOptions,
  ) {
    this.#segments = parts.segments;
    this.#runs = parts.runs;
    this.#ledger = parts.ledger;
    this.#options = options;
  }

  /** A batch that begins at position `pos` of the stream. */
  seal(stream: Stream, pos: number, items: readonly Weighed[]): SealedHere {
    const { alias, compression } = this.#options;
    const { topic, epoch } = stream;
    const firstSequence = sequenceOf(stream, pos);
    const sealed = seal(items, { alias, topic, epoch, firstSequence }, compression);
    return { ...sealed, runs: sourceRunsOf(items, firstSequence) };
  }

  /** The next batch of records that are not opened, from position `pos` on. */
  sealRuns(stream: Stream, pos: number, runs: RunsSealer, incarnation: string): SealedHere {
    const { alias, compression } = this.#options;
    const { topic, epoch } = stream;
    let sequence = sequenceOf(stream, pos);
    const provenance = { alias, topic, epoch, firstSequence: sequence };
    const options = { compression, compressFrom, provenance, targetBytes };
    const { places, ...sealed } = runs.seal(options);
    const origins = places.map(({ offset, count }): SourceRun => {
      sequence += count;
      return { sequence: sequence - count, sourceOffset: offset, count, incarnation };
    });
    return { ...sealed, runs: origins };
  }

  store(stream: Stream, pos: number, sealed: SealedHere, from: number, to: number): void {
    const { count, bytes, size, batch, runs } = sealed;
    const id = this.#segments.insert({
      ...{ log: stream.log, pos, count, bytes, size, batch },
      ...{ acceptedFrom: from, acceptedTo: to, stream: stream.id },
    });
    this.#runs.insert(id, runs);
    this.#ledger.enter(stream, { count, bytes, stored: batch.length });
    stream.oldest ??= from;
  }

  /** What the segment holds. Throws a BatchError when its bytes are damaged. */
  read(stream: Stream, row: SegmentRow): Weighed[] {
    const records = openRecords(this.#segments.batch(row));
    if (records.length !== row.count) {
      throw new BatchError('bad-batch', `batch has ${records.length} records, not ${row.count}`);
    }
    const site = { alias: this.#options.alias, topic: stream.topic };
    const origins = originsOf(this.#runs.of(row, 0));
    return records.map((record) => weigh(record, site, origins.next().value));
  }

  /** The same; undefined, and a loss in the segment's place, when its bytes are damaged. */
  open(stream: Stream, row: SegmentRow): Weighed[] | undefined {
    try {
      return this.read(stream, row);
    } catch (error) {
      if (!(error instanceof BatchError)) throw error;
      this.#ledger.lose(stream, row, 'corrupt', `on disk: ${error.message}`);
      return undefined;
    }
  }

  /** Makes a boundary before `pos`; a damaged segment becomes a loss instead. */
  cut(stream: Stream, row: SegmentRow, pos: number): void {
    const items = this.open(stream, row);
    if (items === undefined) return;
    this.#segments.remove(row);
    this.#ledger.leave(stream, row);
    const { acceptedFrom, acceptedTo } = row;
    const left = items.slice(0, pos - row.pos);
    this.store(stream, row.pos, this.seal(stream, row.pos, left), acceptedFrom, acceptedTo);
    const right = items.slice(pos - row.pos);
    this.store(stream, pos, this.seal(stream, pos, right), acceptedFrom, acceptedTo);
  }

  /**
   * Merges small segments at the end of the stream, if it is time. Nothing that may be under way.
   */
  mergeTail(stream: Stream): void {
    if (stream.unmerged < neighboursToMerge) return;
    stream.unmerged = 0;
    const behind = Math.max(nextPosition(stream) - 1, stream.sentTo);
    const tail = this.#segments.tail(stream.log, behind, tailLength);
    for (const group of planMerge(tail)) this.#merge(stream, group);
  }

  #merge(stream: Stream, rows: readonly SegmentRow[]): void {
    const opened = rows.map((row) => this.open(stream, row));
    if (opened.includes(undefined)) return;
    // A segment's records have a place at their source all, or none of them.
    for (const [start, end] of alike(opened as Weighed[][])) {
      if (end - start < 2) continue;
      const group = rows.slice(start, end);
      for (const row of group) {
        this.#segments.remove(row);
        this.#ledger.leave(stream, row);
      }
      const pos = group[0]!.pos;
      const sealed = this.seal(stream, pos, opened.slice(start, end).flat() as Weighed[]);
      this.store(stream, pos, sealed, group[0]!.acceptedFrom, group.at(-1)!.acceptedTo);
    }
  }

  /** The segment from `pos` on under the stream's own name (schema.ts). Throws a BatchError. */
  reseal(stream: Stream, row: SegmentRow, pos: number): SealedHere {
    return this.seal(stream, pos, this.read(stream, row).slice(pos - row.pos));
  }

  runsOf(stream: Stream, row: SegmentRow): SourceRun[] {
    return this.#runs.of(row, sequenceOf(stream, row.pos));
  }
}

/** Runs of neighbours that all have places at their source, or none. */
function* alike(
  segments: readonly (readonly Weighed[])[],
): Generator<[start: number, end: number]> {
  const hasOrigin = (index: number) => segments[index]![0]!.origin !== undefined;
  let start = 0;
  for (let end = 1; end <= segments.length; end++) {
    if (end < segments.length && hasOrigin(end) === hasOrigin(start)) continue;
    yield [start, end];
    start = end;
  }
}

function* originsOf(runs: readonly SourceRun[]): Generator<Origin, undefined> {
  for (const { sourceOffset, count, incarnation } of runs) {
    for (let i = 0; i < count; i++) yield { offset: sourceOffset + i, incarnation };
  }
}
