import { addLostRange, type LostRangeStatements } from './embedded-lost-ranges.ts';
import type { AliasEntry, CheckpointEntry, Unit } from './embedded-unit.ts';
import {
  assertLoss,
  assertNext,
  assertPartition,
  inOrder,
  recordCount,
  sourcePlace,
} from './land-order.ts';
import type { AliasWrite, LossWrite, SegmentWrite } from './landing.ts';

/** Lands what the write holds, in its order. Returns the checkpoints that moved. */
export function landStreams(
  unit: Unit,
  lost: LostRangeStatements,
  alias: AliasEntry,
  write: AliasWrite,
  step: (step: 'segment' | 'loss') => void,
): CheckpointEntry[] {
  const moved = new Set<CheckpointEntry>();
  inOrder(write, {
    segment: (segment) => {
      moved.add(landSegment(unit, alias, segment, write.at));
      step('segment');
    },
    loss: (loss) => {
      const checkpoint = landLoss(unit, alias, loss);
      addLostRange(lost, checkpoint.id, loss.first, checkpoint.state.through);
      moved.add(checkpoint);
      step('loss');
    },
  });
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
  Object.assign(state, sourcePlace(segment));
  alias.landedRecords += count;
  return checkpoint;
}

function landLoss(unit: Unit, alias: AliasEntry, loss: LossWrite): CheckpointEntry {
  const checkpoint = expected(unit, alias, loss);
  assertLoss(loss);
  const { first, span, records, scope } = loss;
  checkpoint.state.through = first + span - 1;
  if (scope === 'stream') {
    checkpoint.state.lostRecords += records;
    alias.lostRecords += records;
  }
  return checkpoint;
}

function expected(
  unit: Unit,
  alias: AliasEntry,
  stream: SegmentWrite | LossWrite,
): CheckpointEntry {
  assertPartition(stream);
  const checkpoint = unit.checkpoint(alias, stream);
  const { state } = checkpoint;
  assertNext(stream, state.through);
  state.partitionCount = Math.max(state.partitionCount, stream.partitionCount);
  state.session = alias.session;
  return checkpoint;
}
