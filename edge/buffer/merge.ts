import { batchHeaderBytes } from '#shared/wire/batch-layout.ts';
import { limits } from '#shared/wire/limits.ts';
import { targetBytes } from './segment.ts';
import type { SegmentRow } from './segment-rows.ts';

/**
 * When small neighbours become one (decisions only). Sizes fall in tiers, each sixteen times the
 * one before; sixteen of a tier make one of the next, so that a record is written again as often as
 * there are tiers, whatever the length of the outage.
 */
const tierBytes = [3 * 1024, 48 * 1024, 384 * 1024];
export const neighboursToMerge = 16;
/** Rows to look at: sixteen of each tier, at most. */
export const tailLength = neighboursToMerge * (tierBytes.length + 1);

type Size = Pick<SegmentRow, 'pos' | 'count' | 'size'>;

const tierOf = (size: number): number => {
  const tier = tierBytes.findIndex((below) => size < below);
  return tier < 0 ? tierBytes.length : tier;
};

/**
 * Which of the newest segments of a stream (in order) to seal as one; [] when none. A tier that is
 * full may fill the next one: then all goes there at once.
 */
export function planMerge<T extends Size>(tail: readonly T[]): T[][] {
  let start = tail.length;
  let bytes = 0;
  let plan: T[][] = [];
  for (let tier = 0; tier < tierBytes.length; tier++) {
    const before = start;
    while (start > 0 && tierOf(tail[start - 1]!.size) <= tier && followsOn(tail, start)) {
      start -= 1;
      bytes += tail[start]!.size;
    }
    const rows = before - start + (plan.length > 0 ? 1 : 0);
    const isFull = rows >= neighboursToMerge || (tail.length - start > 1 && bytes >= targetBytes);
    if (isFull) plan = inTarget(tail.slice(start)).filter((group) => group.length > 1);
  }
  return plan;
}

/** No loss and no cut-out between the segment before `index` and the one there. */
function followsOn(tail: readonly Size[], index: number): boolean {
  const next = tail[index];
  const before = tail[index - 1]!;
  return next === undefined || before.pos + before.count === next.pos;
}

/** Cuts a row of sizes where one batch would get over the target, or hold too many records. */
export function inTarget<T extends { size: number; count?: number }>(items: readonly T[]): T[][] {
  const groups: T[][] = [];
  let group: T[] = [];
  let size = batchHeaderBytes;
  let count = 0;
  for (const item of items) {
    const records = item.count ?? 1;
    const full = size + item.size > targetBytes || count + records > limits.segmentRecords;
    if (full && group.length > 0) {
      groups.push(group);
      group = [];
      size = batchHeaderBytes;
      count = 0;
    }
    group.push(item);
    size += item.size;
    count += records;
  }
  if (group.length > 0) groups.push(group);
  return groups;
}
