import type { HeartbeatStream, HelloStream } from '#shared/wire/link.ts';
import type { BufferReport } from './buffer.ts';
import type { Retired, Stream, StreamTable } from './streams.ts';

/** What the buffer says of itself; from memory, whatever the backlog. */

export function helloStreams(streams: StreamTable, epoch: string): HelloStream[] {
  return [...streams]
    .filter((stream) => stream.epoch === epoch || stream.cursor < stream.head)
    .map(({ epoch: own, topic, partition, head, cursor, confirmed, ends }) => ({
      ...{ epoch: own, topic, partition, head, cursor, confirmed },
      ...(ends.some((end) => end > confirmed) ? { ends } : {}),
    }));
}

export interface ReportRequest {
  version: number;
  maxStreams: number;
  now: number;
  partitionCount(stream: Stream): number;
  retired: Retired;
}

export function reportStreams(
  streams: StreamTable,
  request: ReportRequest,
): Pick<BufferReport, 'version' | 'more' | 'streams' | 'totals'> {
  const changed = [...streams]
    .filter((stream) => stream.version > request.version)
    .sort((a, b) => a.version - b.version);
  const told = changed.slice(0, request.maxStreams);
  return {
    version: told.at(-1)?.version ?? request.version,
    more: changed.length > told.length,
    streams: told.map((stream) => heartbeatStream(stream, request)),
    totals: totals(streams, request),
  };
}

function heartbeatStream(
  stream: Stream,
  { now, partitionCount }: Pick<ReportRequest, 'now' | 'partitionCount'>,
): HeartbeatStream {
  const { epoch, topic, partition, head, cursor, backlogRecords, backlogBytes } = stream;
  return {
    ...{ epoch, topic, partition, partitionCount: partitionCount(stream) },
    ...{ head, cursor, backlogRecords, backlogBytes },
    oldestAgeMs: age(stream.oldest, now),
    acceptedRecords: stream.accepted,
    lostRecords: stream.lost,
  };
}

const age = (oldest: number | null, now: number): number | null =>
  oldest === null ? null : Math.max(0, now - oldest);

function totals(
  streams: StreamTable,
  { now, retired }: Pick<ReportRequest, 'now' | 'retired'>,
): BufferReport['totals'] {
  const sum = {
    acceptedRecords: retired.accepted,
    ...{ backlogRecords: 0, backlogBytes: 0, lostRecords: retired.lost, lossesPending: 0 },
  };
  let oldest: number | null = null;
  for (const stream of streams) {
    sum.acceptedRecords += stream.accepted;
    sum.backlogRecords += stream.backlogRecords;
    sum.backlogBytes += stream.backlogBytes;
    sum.lostRecords += stream.lost;
    sum.lossesPending += stream.lossesPending;
    if (stream.oldest !== null) oldest = Math.min(oldest ?? stream.oldest, stream.oldest);
  }
  return { ...sum, oldestAgeMs: age(oldest, now) };
}
