import { hex32, isCount } from './frame-rules.ts';
import { limits } from './limits.ts';
import { readU64, writeU64 } from './u64.ts';

/**
 * Source runs in a frame (grammar in frame.ts): a run's sequence follows from the runs before it.
 */
export const runBytes = 28;

interface Run {
  sequence: number;
  sourceOffset: number;
  count: number;
  incarnation: string;
}

/** Runs follow each other and make up the segment, or there are none. */
export function runsProblem(
  runs: readonly Run[],
  { first, count }: { first: number; count: number },
): string | undefined {
  if (runs.length > limits.sourceRuns) return `${runs.length} runs; limit ${limits.sourceRuns}`;
  let next = first;
  for (const run of runs) {
    if (run.sequence !== next)
      return `run begins at ${run.sequence}, the one before ends at ${next}`;
    if (!isCount(run.count, 1, count)) return `run has ${run.count} of ${count} records`;
    if (!isCount(run.sourceOffset, 0)) return `run has source offset ${run.sourceOffset}`;
    if (!hex32.test(run.incarnation)) return `run has incarnation "${run.incarnation}"`;
    next += run.count;
  }
  if (runs.length > 0 && next !== first + count) return `runs make up ${next - first} of ${count}`;
  return undefined;
}

export function writeRuns(runs: readonly Run[], bytes: Buffer, start: number): void {
  for (const [i, run] of runs.entries()) {
    const position = start + i * runBytes;
    writeU64(bytes, run.sourceOffset, position);
    bytes.writeUInt32BE(run.count, position + 8);
    bytes.write(run.incarnation, position + 12, 'hex');
  }
}

/** `bytes` holds nothing but runs; the first begins at sequence `first`. */
export function readRuns(bytes: Buffer, first: number): Run[] {
  const runs: Run[] = [];
  let sequence = first;
  for (let position = 0; position < bytes.length; position += runBytes) {
    const count = bytes.readUInt32BE(position + 8);
    const incarnation = bytes.toString('hex', position + 12, position + runBytes);
    runs.push({ sequence, sourceOffset: readU64(bytes, position), count, incarnation });
    sequence += count;
  }
  return runs;
}
