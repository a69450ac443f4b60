/** One partition's position of a group at a site's own Kafka. */
export interface ReportedOffset {
  topic: string;
  partition: number;
  /** Next record that the group reads, at the source. */
  offset: number;
  /** Life of the topic that the offset belongs to, 32 hexadecimal digits. */
  incarnation: string;
  /** What the group committed beside it; mostly "". */
  metadata: string;
}

export interface ReportedGroup {
  group: string;
  /** Kafka's: Empty, Stable, PreparingRebalance, CompletingRebalance, Dead. */
  state: string;
  /** Those that are new or changed. */
  offsets: ReportedOffset[];
}

/**
 * How far the site has read: every record before `next` has, in the stream of `epoch`, a sequence
 * below `sequence`. So that central knows when nothing is missing before a position, where a
 * transaction's marker or a compacted record is the last thing at the source.
 */
export interface ReadPosition {
  topic: string;
  partition: number;
  incarnation: string;
  next: number;
  epoch: string;
  sequence: number;
}

/** A replicated topic as the site's Kafka has it. */
export interface ReportedTopic {
  topic: string;
  incarnation: string;
  partitions: number;
  configs: ReportedConfig[];
}

export interface ReportedConfig {
  name: string;
  value: string | null;
  /** Set for this topic; else the value is its cluster's default. */
  explicit: boolean;
}

/** A literal binding of a replicated topic; Kafka's names. */
export interface ReportedAcl {
  topic: string;
  principal: string;
  host: string;
  operation: string;
  permission: 'ALLOW' | 'DENY';
}

/**
 * What a site tells of a Kafka of its own (PROTOCOL.md §7): how far its consumer groups have read,
 * how far the site itself has, and what its topics are like. Central translates the positions, and
 * compares and follows the topics.
 */
export interface KafkaReport {
  version: number;
  alias: string;
  session: string;
  /** 0: all that was told before is void. Then one more with each report that was answered. */
  number: number;
  groups: ReportedGroup[];
  /** Groups that are no more, or no longer wanted. */
  gone: string[];
  positions: ReadPosition[];
  /** Those that are new or changed. */
  topics: ReportedTopic[];
  /** All of them, when they have changed; null: as told before. */
  acls: ReportedAcl[] | null;
  /** With it all is told: what was not told since number 0 is no more. */
  complete: boolean;
}

export interface KafkaAnswer {
  /** The number that central expects next; 0: it knows nothing (any more), tell all again. */
  next: number;
}
