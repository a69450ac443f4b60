import { batchHeaderBytes } from './batch-layout.ts';
import { limits } from './limits.ts';
import { ProvenanceSuffix } from './provenance-suffix.ts';
import type { Provenance } from './record.ts';
import { assembleBatch, type Compression } from './record-batch.ts';
import { type RecordRun, RunWalk } from './record-run.ts';
import { RecordWriter } from './record-writer.ts';

export interface SealedRuns {
  batch: Buffer;
  count: number;
  /** Of keys, values and headers. */
  bytes: number;
  /** Before compression. */
  size: number;
  /** Where they stood at the source: rows of offsets without a hole. */
  places: { offset: number; count: number }[];
}

export interface SealRunsOptions {
  compression: Compression;
  /** A smaller batch is not compressed, bytes. */
  compressFrom: number;
  provenance: Provenance;
  /** Before compression. */
  targetBytes: number;
}

/** Sealing is synchronous, so that one buffer serves every call; it keeps its largest size. */
const writer = new RecordWriter();

/**
 * Seals runs into batches, a batch at a call: each record is copied as it is, with its provenance
 * behind its own headers. All records have to be plain (`RunWalk.isPlain`) and fit alone.
 */
export class RunsSealer {
  readonly #runs: readonly RecordRun[];
  #run = 0;
  #walk: RunWalk;
  #leftInRun: number;
  /** Records that are not sealed yet. */
  left: number;

  constructor(runs: readonly RecordRun[]) {
    this.#runs = runs;
    this.#walk = new RunWalk(runs[0]!);
    this.#leftInRun = runs[0]!.count;
    this.left = runs.reduce((sum, { count }) => sum + count, 0);
  }

  /** As many of the records that are left as `targetBytes` hold before compression, or one. */
  seal({ compression, compressFrom, provenance, targetBytes }: SealRunsOptions): SealedRuns {
    const suffix = new ProvenanceSuffix(provenance);
    const places: SealedRuns['places'] = [];
    let [count, bytes, baseTimestamp, maxTimestamp] = [0, 0, 0, 0];
    writer.end = 0;
    while (this.left > 0 && count < limits.segmentRecords) {
      const walk = this.#next();
      const { timestamp, offset } = walk;
      if (count === 0) [baseTimestamp, maxTimestamp] = [timestamp, timestamp];
      const before = writer.end;
      writer.copy(walk, timestamp - baseTimestamp, count, suffix);
      if (count > 0 && batchHeaderBytes + writer.end > targetBytes) {
        writer.end = before;
        walk.back();
        break;
      }
      if (timestamp > maxTimestamp) maxTimestamp = timestamp;
      const last = places.at(-1);
      if (last && last.offset + last.count === offset) last.count += 1;
      else places.push({ offset, count: 1 });
      bytes += walk.payload;
      count += 1;
      this.#taken();
      suffix.advance();
    }
    const payload = writer.bytes.subarray(0, writer.end);
    const size = batchHeaderBytes + payload.length;
    const batch = assembleBatch(payload, {
      ...{ count, baseTimestamp, maxTimestamp },
      compression: size < compressFrom ? 'none' : compression,
    });
    return { batch, count, bytes, size, places };
  }

  #next(): RunWalk {
    if (this.#leftInRun === 0) {
      this.#run += 1;
      const run = this.#runs[this.#run]!;
      this.#walk = new RunWalk(run);
      this.#leftInRun = run.count;
    }
    this.#walk.next();
    return this.#walk;
  }

  #taken(): void {
    this.#leftInRun -= 1;
    this.left -= 1;
  }
}
