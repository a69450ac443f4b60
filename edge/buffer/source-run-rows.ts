import type { Database, Statement } from 'better-sqlite3';
import { crc32c } from '#shared/std/crc32c.ts';
import type { SourceRun } from '#shared/wire/frame.ts';
import { readRuns, runBytes, writeRuns } from '#shared/wire/source-runs.ts';
import type { Weighed } from './segment.ts';

/** What a run adds to a segment, on disk and on the wire, bytes. */
export const sourceRunBytes = runBytes;
const crcBytes = 4;

/** The records' places at their source; [] where they have none, or one of them has none. */
export function sourceRunsOf(items: readonly Weighed[], first: number): SourceRun[] {
  const runs: SourceRun[] = [];
  for (const [index, { origin }] of items.entries()) {
    if (origin === undefined) return [];
    const last = runs.at(-1);
    if (last && followsOn(last, origin)) last.count += 1;
    else {
      const { offset: sourceOffset, incarnation } = origin;
      runs.push({ sequence: first + index, sourceOffset, count: 1, incarnation });
    }
  }
  return runs;
}

const followsOn = (run: SourceRun, { offset, incarnation }: NonNullable<Weighed['origin']>) =>
  run.incarnation === incarnation && run.sourceOffset + run.count === offset;

/**
 * The source runs of segments, on disk, as frames have them with their CRC-32C behind (a bit that
 * flips must not make another position of it). They go with their segment (schema.ts).
 */
export class SourceRunRows {
  readonly #insert: Statement;
  readonly #of: Statement;

  constructor(database: Database) {
    this.#insert = database.prepare('INSERT OR REPLACE INTO source_runs (id, runs) VALUES (?, ?)');
    this.#of = database.prepare('SELECT runs FROM source_runs WHERE id = ?').pluck();
  }

  insert(segment: number, runs: readonly SourceRun[]): void {
    if (runs.length === 0) return;
    const bytes = Buffer.alloc(runs.length * runBytes + crcBytes);
    writeRuns(runs, bytes, 0);
    const end = bytes.length - crcBytes;
    bytes.writeUInt32BE(crc32c(bytes.subarray(0, end)), end);
    this.#insert.run(segment, bytes);
  }

  /** [] where there are none, or they are damaged: the records are good without them. */
  of({ id, count }: { id: number; count: number }, first: number): SourceRun[] {
    const bytes = this.#of.get(id) as Buffer | undefined;
    const end = (bytes?.length ?? 0) - crcBytes;
    if (bytes === undefined || end <= 0 || end % runBytes !== 0) return [];
    if (crc32c(bytes.subarray(0, end)) !== bytes.readUInt32BE(end)) return [];
    const runs = readRuns(bytes.subarray(0, end), first);
    return runs.reduce((sum, run) => sum + run.count, 0) === count ? runs : [];
  }
}
