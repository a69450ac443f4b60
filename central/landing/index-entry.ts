import type { SourceRun } from '#shared/wire/frame.ts';
import type { IndexEntry } from './landing.ts';

/**
 * A record of `tributary.index`: the entry as JSON, but for its runs, of which there may be as many
 * as records. Each list has an incarnation, then for each run how far it begins behind the end of
 * the one before (the first: behind 0), and its records. Sequences follow from the entry's first.
 *
 *   "runs": [["00112233445566778899aabbccddeeff", 4096, 500, 2, 73]]
 */
type PackedRuns = [incarnation: string, ...numbers: number[]][];

export const encodeIndexEntry = ({ runs, ...rest }: IndexEntry): string =>
  JSON.stringify({ ...rest, runs: packed(runs) });

/** Of the value of a record. */
export function decodeIndexEntry(value: Buffer): IndexEntry {
  const { runs, ...rest } = JSON.parse(value.toString('utf8')) as Omit<IndexEntry, 'runs'> & {
    runs: PackedRuns;
  };
  return { ...rest, runs: unpacked(runs, rest.first) };
}

function packed(runs: readonly SourceRun[]): PackedRuns {
  const lists: PackedRuns = [];
  let end = 0;
  for (const { incarnation, sourceOffset, count } of runs) {
    let list = lists.at(-1);
    if (list?.[0] !== incarnation) {
      list = [incarnation];
      lists.push(list);
      end = 0;
    }
    list.push(sourceOffset - end, count);
    end = sourceOffset + count;
  }
  return lists;
}

function unpacked(lists: PackedRuns, first: number): SourceRun[] {
  const runs: SourceRun[] = [];
  let sequence = first;
  for (const [incarnation, ...numbers] of lists) {
    let end = 0;
    for (let i = 0; i < numbers.length; i += 2) {
      const sourceOffset = end + numbers[i]!;
      const count = numbers[i + 1]!;
      runs.push({ sequence, sourceOffset, count, incarnation });
      sequence += count;
      end = sourceOffset + count;
    }
  }
  return runs;
}
