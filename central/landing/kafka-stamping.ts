import { type LogRecord, openRecords } from '#shared/kafka/open-records.ts';
import { limits } from '#shared/wire/limits.ts';
import {
  type Provenance,
  recordBytes,
  recordProblem,
  reservedHeaderPrefix,
  type WireRecord,
} from '#shared/wire/record.ts';
import { sealBatch, sealedSizeEstimate } from '#shared/wire/record-batch.ts';
import type { LossWrite } from './landing.ts';

export interface Stamped {
  batches: { batch: Buffer; count: number }[];
  losses: LossWrite[];
}

/** Whose records these are: `epoch` is the topic's incarnation, a sequence is its offset. */
export type Origin = Omit<Provenance, 'firstSequence'> & { partition: number; partitions: number };

/**
 * Records of a topic that others write, sealed anew with the four provenance headers; from `offset`
 * on. What such a batch cannot hold is a loss. Headers of other stamps give way to ours.
 */
export function stamp(batch: Uint8Array, offset: number, origin: Origin): Stamped {
  const stamped: Stamped = { batches: [], losses: [] };
  const run: LogRecord[] = [];
  let bytes = 0;
  const flush = () => {
    if (run.length === 0) return;
    const { alias, topic, epoch } = origin;
    const provenance = { alias, topic, epoch, firstSequence: run[0]!.offset };
    stamped.batches.push({
      batch: sealBatch(run, { compression: 'zstd', provenance }),
      count: run.length,
    });
    run.length = 0;
    bytes = 0;
  };
  for (const raw of openRecords(batch, { trusted: true })) {
    if (raw.offset < offset) continue;
    const record = { ...raw, ...withoutStamps(raw) };
    const problem = recordProblem(record);
    if (problem) {
      flush();
      stamped.losses.push(lossOf(record, problem, origin));
      continue;
    }
    const size = sealedSizeEstimate(record, origin);
    const follows = run.length === 0 || run.at(-1)!.offset + 1 === record.offset;
    const fits = bytes + size < limits.segmentBytes - 1024 && run.length < limits.segmentRecords;
    if (!follows || !fits) flush();
    run.push(record);
    bytes += size;
  }
  flush();
  return stamped;
}

function withoutStamps({ headers }: WireRecord): Pick<WireRecord, 'headers'> {
  return { headers: headers.filter(([name]) => !name.startsWith(reservedHeaderPrefix)) };
}

function lossOf(
  record: LogRecord,
  problem: NonNullable<ReturnType<typeof recordProblem>>,
  { epoch, topic, partition, partitions }: Origin,
): LossWrite {
  return {
    ...{ epoch, topic, partition, partitionCount: partitions, first: record.offset, span: 1 },
    ...{ records: 1, scope: 'source', bytes: recordBytes(record), from: null, to: null },
    reason: problem.code,
    detail: problem.message,
  };
}
