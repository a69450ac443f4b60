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

/**
 * What a site tells of the consumer groups of its Kafka (PROTOCOL.md §7): how far each has read,
 * and how far the site itself has. Central translates the positions to its own topics.
 */
export interface GroupsReport {
  version: number;
  alias: string;
  session: string;
  /** 0: all that was told before is void. Then one more with each report that was answered. */
  number: number;
  groups: ReportedGroup[];
  /** Groups that are no more, or no longer wanted. */
  gone: string[];
  positions: ReadPosition[];
}

export interface GroupsAnswer {
  /** The number that central expects next; 0: it knows nothing (any more), tell all again. */
  next: number;
}
