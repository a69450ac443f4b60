import type { FetchedBatch } from '#shared/kafka/kafka.ts';
import { openRun, recordsOf } from '#shared/kafka/open-records.ts';
import { provenanceHeaders, type WireRecord } from '#shared/wire/record.ts';
import { BatchError } from '#shared/wire/record-batch.ts';
import { type RecordRun, RunWalk } from '#shared/wire/record-run.ts';
import { VarintError } from '#shared/wire/varint.ts';
import type { DeliveredRecord } from './source.ts';

/** Records of one partition that go into the buffer together. */
export interface Chunk {
  /** Those that had to be looked into … */
  records: DeliveredRecord[];
  /** … or those that did not: mostly all. */
  runs: RecordRun[];
  /** Where it goes on behind them. */
  next: number;
  /** Records left out because they came from this site. */
  looped: number;
  /** What is in the log and cannot be read. */
  lost?: { records: number; detail: string };
}

export interface ChunkOptions {
  partition: number;
  /** Records before this offset are in the buffer already. */
  from: number;
  /** Where it goes on behind all batches. */
  end: number;
  /** Records that this site sent once are not taken again. */
  alias: string;
}

/** A delivery's worth. */
const chunkBytes = 1024 * 1024;
const chunkRecords = 10_000;

/** What was fetched, a chunk at a time; at most one batch is open at once. */
export function* chunksOf(
  batches: readonly FetchedBatch[],
  options: ChunkOptions,
): Generator<Chunk, void> {
  let chunk = begin(options.from);
  let bytes = 0;
  const take = (): Chunk => {
    const taken = chunk;
    chunk = begin(taken.next);
    bytes = 0;
    return taken;
  };
  for (const batch of batches) {
    if (batch.lastOffset < options.from) continue;
    try {
      const run = openRun(batch.bytes, { trusted: true });
      for (const stretch of stretchesOf(run, options.from)) {
        // Of a delivery, runs are behind records.
        if (!stretch.isPlain && chunk.runs.length > 0) yield take();
        add(chunk, run, stretch, options);
        bytes += stretch.end - stretch.start;
        if (bytes >= chunkBytes) yield take();
      }
    } catch (error) {
      if (!(error instanceof BatchError || error instanceof VarintError)) throw error;
      chunk.lost = unread(batch, chunk.next, error);
      chunk.next = batch.lastOffset + 1;
      yield take();
    }
  }
  chunk.next = Math.max(options.end, chunk.next);
  yield chunk;
}

const begin = (next: number): Chunk => ({ records: [], runs: [], next, looped: 0 });

/** Neighbours of one kind: those that can be taken unopened, or those that cannot. */
interface Stretch {
  isPlain: boolean;
  /** Within the run's bytes. */
  start: number;
  end: number;
  count: number;
  /** Offset behind the last. */
  next: number;
}

/** The records from offset `from` on. */
function* stretchesOf(run: RecordRun, from: number): Generator<Stretch, void> {
  const walk = new RunWalk(run);
  let stretch: Stretch | undefined;
  try {
    for (let left = run.count; left > 0; left--) {
      walk.next();
      if (walk.offset < from) continue;
      const isPlain = walk.isPlain();
      if (stretch && (stretch.isPlain !== isPlain || isFull(stretch))) {
        yield stretch;
        stretch = undefined;
      }
      const { start, end } = walk;
      stretch ??= { isPlain, start, end, count: 0, next: from };
      stretch.end = end;
      stretch.count += 1;
      stretch.next = walk.offset + 1;
    }
  } finally {
    // What is damaged takes nothing along that stands before it.
    if (stretch) yield stretch;
  }
  const behind = run.bytes.length - walk.end;
  if (run.count > 0 && behind > 0) throw new VarintError(`${behind} bytes behind the records`);
}

const isFull = ({ start, end, count }: Stretch): boolean =>
  end - start >= chunkBytes || count >= chunkRecords;

function add(chunk: Chunk, run: RecordRun, stretch: Stretch, options: ChunkOptions): void {
  const { isPlain, start, end, count, next } = stretch;
  const part: RecordRun = { ...run, bytes: run.bytes.subarray(start, end), count };
  if (isPlain) chunk.runs.push(part);
  else {
    for (const { offset, ...record } of recordsOf(part)) {
      if (isOwn(record, options.alias)) chunk.looped += 1;
      else {
        const { partition } = options;
        chunk.records.push({ ...record, partition, sourceOffset: offset });
      }
    }
  }
  chunk.next = next;
}

/** It bears our own provenance: it has been at central, and somebody brought it back. */
function isOwn({ headers }: WireRecord, alias: string): boolean {
  return headers.some(
    ([name, value]) => name === provenanceHeaders.alias && value?.toString() === alias,
  );
}

/** The broker's checksum fits: so it was written, and will never be read otherwise. */
function unread({ baseOffset, lastOffset }: FetchedBatch, next: number, why: Error) {
  const first = Math.max(baseOffset, next);
  const detail = `offsets ${first} to ${lastOffset} cannot be read: ${why.message}`;
  return { records: lastOffset + 1 - first, detail };
}
