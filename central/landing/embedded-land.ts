import { limits } from '#shared/wire/limits.ts';
import { type StreamId, streamKey } from '#shared/wire/link.ts';
import { BatchError, readBatchHeader } from '#shared/wire/record-batch.ts';
import { addLostRange, type LostRangeStatements } from './embedded-lost-ranges.ts';
import type { AliasEntry, CheckpointEntry, Unit } from './embedded-unit.ts';
import { type AliasWrite, LandingError, type LossWrite, type SegmentWrite } from './landing.ts';

type Positioned = StreamId & { partitionCount: number; first: number };

/**
 * Lands the segments in their order, and each stream's losses between them where their sequences
 * say (the port hands them over apart from each other). Returns the checkpoints that moved.
 */
export function landStreams(
  unit: Unit,
  lost: LostRangeStatements,
  alias: AliasEntry,
  write: AliasWrite,
  step: (step: 'segment' | 'loss') => void,
): CheckpointEntry[] {
  const moved = new Set<CheckpointEntry>();
  const losses = byStream(write.losses);
  const loseBefore = (sequence: number, waiting: LossWrite[] | undefined): void => {
    while (waiting?.[0] && waiting[0].first < sequence) {
      const loss = waiting.shift()!;
      const checkpoint = landLoss(unit, alias, loss);
      addLostRange(lost, checkpoint.id, loss.first, checkpoint.state.through);
      moved.add(checkpoint);
      step('loss');
    }
  };
  for (const segment of write.segments) {
    loseBefore(segment.first, losses.get(streamKey(segment)));
    moved.add(landSegment(unit, alias, segment, write.at));
    step('segment');
  }
  for (const waiting of losses.values()) loseBefore(Number.POSITIVE_INFINITY, waiting);
  if (moved.size > 0) alias.sessionUsed = 1;
  return [...moved];
}

function landSegment(
  unit: Unit,
  alias: AliasEntry,
  segment: SegmentWrite,
  at: number,
): CheckpointEntry {
  const checkpoint = expected(unit, alias, segment);
  const { state } = checkpoint;
  const { first, partition, partitionCount } = segment;
  const count = recordCount(segment);
  const runs = segment.runs.length > 0 ? JSON.stringify(segment.runs) : null;
  const batchId = unit.addBatch(segment.batch, { checkpoint, first, runs });
  const remote = unit.topic(segment.remoteTopic, 'remote', partitionCount);
  state.remoteOffset = unit.append(remote, partition, batchId, count, at);
  checkpoint.remoteTopicId = remote.id;
  for (const name of new Set(segment.mergedTopics)) {
    const merged = unit.topic(name, 'merged', partitionCount);
    checkpoint.merged.set(merged.id, unit.append(merged, partition, batchId, count, at));
  }
  state.through = first + segment.count - 1;
  state.landedRecords += count;
  state.landedBytes += segment.payloadBytes;
  state.acceptedAt = Math.round(segment.acceptedTo);
  state.landedAt = at;
  alias.landedRecords += count;
  return checkpoint;
}

function landLoss(unit: Unit, alias: AliasEntry, loss: LossWrite): CheckpointEntry {
  const checkpoint = expected(unit, alias, loss);
  const { first, span, records, scope } = loss;
  if (!Number.isSafeInteger(span) || span < 1 || (scope === 'stream' && records !== span)) {
    throw refused(loss, `is a loss (${scope}) of ${records} records over ${span} sequences`);
  }
  checkpoint.state.through = first + span - 1;
  if (scope === 'stream') {
    checkpoint.state.lostRecords += records;
    alias.lostRecords += records;
  }
  return checkpoint;
}

/** The last line of defence against duplicates and holes: what lands continues the checkpoint. */
function expected(unit: Unit, alias: AliasEntry, stream: Positioned): CheckpointEntry {
  const { partition, partitionCount } = stream;
  const fits =
    Number.isInteger(partition) &&
    partition >= 0 &&
    partition < partitionCount &&
    partitionCount <= limits.partitionsPerTopic;
  if (!fits) throw refused(stream, `names partition ${partition} of ${partitionCount}`);
  const checkpoint = unit.checkpoint(alias, stream);
  const { state } = checkpoint;
  const next = state.through + 1;
  if (stream.first !== next) throw refused(stream, `cannot land: sequence ${next} is expected`);
  state.partitionCount = Math.max(state.partitionCount, partitionCount);
  state.session = alias.session;
  return checkpoint;
}

/** Counted on the bytes that land, apart from all arithmetic on sequences (DESIGN §1.3). */
function recordCount(segment: SegmentWrite): number {
  const count = headerCount(segment);
  if (count === segment.count && count > 0) return count;
  throw refused(segment, `says ${segment.count} records, and its batch ${count}`);
}

function headerCount(segment: SegmentWrite): number {
  try {
    return readBatchHeader(segment.batch).count;
  } catch (error) {
    if (!(error instanceof BatchError)) throw error;
    throw refused(segment, `is no RecordBatch: ${error.message}`, error);
  }
}

const refused = (stream: Positioned, why: string, cause?: unknown): LandingError =>
  new LandingError('refused', `sequence ${stream.first} of ${streamKey(stream)} ${why}`, { cause });

function byStream(losses: readonly LossWrite[]): Map<string, LossWrite[]> {
  const streams = new Map<string, LossWrite[]>();
  for (const loss of losses) {
    const key = streamKey(loss);
    const list = streams.get(key);
    if (list) list.push(loss);
    else streams.set(key, [loss]);
  }
  for (const list of streams.values()) list.sort((a, b) => a.first - b.first);
  return streams;
}
