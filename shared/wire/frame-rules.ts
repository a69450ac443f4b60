import { batchHeaderBytes } from './batch-layout.ts';
import { limits } from './limits.ts';
import type { StreamId } from './link.ts';
import { topicProblem } from './topic-name.ts';

/**
 * What the fields of a frame may hold, the same when writing and when reading. Each function
 * returns what is wrong, naming field and value, or undefined.
 */
export const hex32 = /^[0-9a-f]{32}$/;

export const isCount = (n: number, min: number, max = Number.MAX_SAFE_INTEGER): boolean =>
  Number.isSafeInteger(n) && n >= min && n <= max;

export function streamProblem(stream: StreamId & { partitionCount: number }): string | undefined {
  const { epoch, topic, partition, partitionCount } = stream;
  if (!hex32.test(epoch)) return `epoch "${epoch}" is not 32 hexadecimal digits`;
  const problem = topicProblem(topic);
  if (problem) return `topic "${topic}" ${problem}`;
  if (!isCount(partitionCount, 1, limits.partitionsPerTopic)) {
    return `partitionCount is ${partitionCount}; from 1 to ${limits.partitionsPerTopic}`;
  }
  if (!isCount(partition, 0, partitionCount - 1)) {
    return `partition is ${partition} of ${partitionCount}`;
  }
  return undefined;
}

export function segmentProblem(segment: {
  first: number;
  count: number;
  acceptedFrom: number;
  acceptedTo: number;
  batch: Uint8Array;
}): string | undefined {
  const { first, count, acceptedFrom, acceptedTo, batch } = segment;
  if (!isCount(count, 1, limits.segmentRecords)) {
    return `count is ${count}; from 1 to ${limits.segmentRecords}`;
  }
  if (!isCount(first, 0, Number.MAX_SAFE_INTEGER - count)) return `first is ${first}`;
  if (!isCount(acceptedTo, 0)) return `acceptedTo is ${acceptedTo}`;
  if (!isCount(acceptedFrom, 0, acceptedTo)) {
    return `acceptedFrom is ${acceptedFrom}, acceptedTo ${acceptedTo}`;
  }
  if (!isCount(batch.length, batchHeaderBytes, limits.segmentBytes)) {
    return `batch has ${batch.length} bytes; the limit is ${limits.segmentBytes}`;
  }
  return undefined;
}
