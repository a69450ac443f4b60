import type { FetchedBatch } from '#shared/kafka/kafka.ts';
import { type LogRecord, openRecords } from '#shared/kafka/open-records.ts';
import { provenanceHeaders, recordBytes } from '#shared/wire/record.ts';
import { BatchError } from '#shared/wire/record-batch.ts';
import type { DeliveredRecord } from './source.ts';

/** Records of one partition that go into the buffer together. */
export interface Chunk {
  records: DeliveredRecord[];
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
  { partition, from, end, alias }: ChunkOptions,
): Generator<Chunk, void> {
  let chunk: Chunk = { records: [], next: from, looped: 0 };
  let bytes = 0;
  for (const batch of batches) {
    if (batch.lastOffset < from) continue;
    try {
      for (const record of openRecords(batch.bytes, { trusted: true })) {
        const { offset } = record;
        if (offset < from) continue;
        chunk.next = offset + 1;
        if (isOwn(record, alias)) {
          chunk.looped += 1;
          continue;
        }
        chunk.records.push(delivered(record, partition));
        bytes += recordBytes(record);
        if (bytes < chunkBytes && chunk.records.length < chunkRecords) continue;
        yield chunk;
        chunk = { records: [], next: offset + 1, looped: 0 };
        bytes = 0;
      }
    } catch (error) {
      if (!(error instanceof BatchError)) throw error;
      const lost = unread(batch, chunk.next, error);
      yield { ...chunk, next: batch.lastOffset + 1, lost };
      chunk = { records: [], next: batch.lastOffset + 1, looped: 0 };
      bytes = 0;
    }
  }
  yield { ...chunk, next: Math.max(end, chunk.next) };
}

function delivered({ offset, ...record }: LogRecord, partition: number): DeliveredRecord {
  return { ...record, partition, sourceOffset: offset };
}

/** It bears our own provenance: it has been at central, and somebody brought it back. */
function isOwn({ headers }: LogRecord, alias: string): boolean {
  return headers.some(
    ([name, value]) => name === provenanceHeaders.alias && value?.toString() === alias,
  );
}

/** The broker's checksum fits: so it was written, and will never be read otherwise. */
function unread({ baseOffset, lastOffset }: FetchedBatch, next: number, why: BatchError) {
  const first = Math.max(baseOffset, next);
  const detail = `offsets ${first} to ${lastOffset} cannot be read: ${why.message}`;
  return { records: lastOffset + 1 - first, detail };
}
