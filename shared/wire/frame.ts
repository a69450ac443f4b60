/** STUB: types only; grammar, codec and errors come with shared/wire's own commit. */

import type { StreamId } from './link.ts';
import type { Loss } from './loss.ts';

/** A run of records that were consecutive at their source too (a Kafka partition, for example). */
export interface SourceRun {
  /** First sequence of the run. */
  sequence: number;
  sourceOffset: number;
  count: number;
  /** Life of the source topic, 32 hexadecimal digits; zeros where the source has none. */
  incarnation: string;
}

export interface SegmentFrame extends StreamId {
  kind: 'segment';
  partitionCount: number;
  first: number;
  count: number;
  /** Accept clock of the oldest and newest record, ms. */
  acceptedFrom: number;
  acceptedTo: number;
  provenance: 'headers' | 'index';
  runs: readonly SourceRun[];
  batch: Buffer;
}

export interface LossFrame extends StreamId {
  kind: 'loss';
  partitionCount: number;
  loss: Loss;
}

export type Frame = SegmentFrame | LossFrame;
