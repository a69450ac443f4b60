import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import type { KafkaAnswer, KafkaReport } from '#shared/wire/kafka-report.ts';
import type { StreamId } from '#shared/wire/link.ts';
import type { GroupCheckpoint } from '#shared/wire/mm2-checkpoint.ts';
import type { WireRecord } from '#shared/wire/record.ts';
import type { LandedSegment, Place, SourceIndex, SourcePosition } from './translate.ts';

/**
 * The door of the mirror: consumer groups of the sites' own Kafkas, their positions translated to
 * central's topics, and MirrorMaker 2's internal topics with them. Holds nothing that is not told
 * again (by the sites) or read again (from the topics).
 */
export interface Mirror {
  /** A site's report; its translation follows by itself. */
  report(alias: string, report: KafkaReport): KafkaAnswer;
  /** Something of this source partition was committed. */
  landed(alias: string, stream: StreamId, segment: LandedSegment): void;
  /**
   * What is to be written to MirrorMaker 2's internal topics of this site, in the next transaction
   * of whoever owns it: it states only what is committed already. undefined: nothing new.
   */
  due(alias: string): Due | undefined;
  /** Everything known of groups, for the status API; of one site or of all. */
  groups(alias?: string): GroupView[];
  /** The site is removed, or somebody else's now. */
  forget(alias: string): void;
  /** Resolves when no translation is under way. */
  idle(): Promise<void>;
}

export interface Due {
  /** Partition 0 of each topic. */
  topics: { topic: string; records: WireRecord[] }[];
  /** Must be called when they are committed; else they are due again. */
  written(): void;
}

/** One group's position in one source partition. */
export interface GroupView {
  alias: string;
  group: string;
  /** Kafka's, at the site. */
  state: string;
  topic: string;
  partition: number;
  /** Next to read at the source. */
  sourceOffset: number;
  metadata: string;
  /** null: nothing of the partition has landed yet. */
  remote: Place | null;
  merged: Place[];
  /** When the site told it, ms. */
  reportedAt: number;
}

/** What the mirror needs of the landing. */
export interface MirrorLog {
  /** Where the partition's segments landed, as far as `position` needs them. */
  index(
    alias: string,
    topic: string,
    partition: number,
    position: SourcePosition,
  ): Promise<SourceIndex | undefined>;
  /** Highest sequence of the stream that landed or is lost; -1: none. */
  through(alias: string, stream: StreamId): number;
  /** What `<alias>.checkpoints.internal` holds, the newest of each key. */
  checkpoints(alias: string): Promise<GroupCheckpoint[]>;
}

export interface MirrorOptions {
  log: Logger;
  clock: Clock;
  landing: MirrorLog;
  /** Least time between two offset syncs of one partition, ms. Default 10 000. */
  offsetSyncIntervalMs?: number;
}
