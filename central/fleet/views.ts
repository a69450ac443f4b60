import type { SourceState } from '#shared/wire/link.ts';

/**
 * What the status API shows of the fleet (DESIGN §9). Times ms on central's clock; null: not known.
 */

export type EdgeStateName = 'live' | 'catching-up' | 'stalled' | 'offline' | 'never-seen';

export interface LagView {
  records: number | null;
  bytes: number | null;
  /** Time since the oldest record not yet landed was accepted. */
  seconds: number | null;
  /** The site is silent: the truth may be worse. */
  atLeast: boolean;
  /** What this rests on: the time of the last committed heartbeat. */
  asOf: number | null;
}

export interface EdgeView {
  alias: string;
  state: EdgeStateName;
  stateSince: number;
  lastHeartbeatAt: number | null;
  lag: LagView;
  rates: { recordsPerSecond: number; bytesPerSecond: number };
  buffer: { usedBytes: number | null; maxBytes: number | null; etaFullSeconds: number | null };
  losses: { records: number };
  epoch: string | null;
  version: string | null;
  clockOffsetSeconds: number | null;
  sources: SourceState[];
  /** Accepted, landed, backlog and lost, each counted on its own (DESIGN §1.3). */
  counts: { accepted: number | null; landed: number; backlog: number | null; lost: number };
  /**
   * Why a person should look, for example a fork, a refused hello, a clone; empty when all is well.
   */
  alarms: string[];
}

export interface StreamView {
  epoch: string;
  topic: string;
  partition: number;
  remoteTopic: string;
  head: number | null;
  through: number;
  backlog: { records: number | null; bytes: number | null };
  oldestUnlandedAt: number | null;
  landedRecords: number;
  lostRecords: number;
}

export interface FlowView {
  into: string;
  from: string[];
  /** It takes topics that others write. */
  external: boolean;
  partitions: number;
  records: number;
  recordsPerSecond: number;
  /** Complete through this time (acceptance, central's clock); null: not known for some site. */
  watermark: number | null;
  /** The aliases whose watermark is the lowest. */
  heldBackBy: string[];
  sources: {
    alias: string;
    topic: string;
    remoteTopic: string;
    watermark: number | null;
    state: EdgeStateName;
    /** null: it is merged as it lands. */
    copy: FlowCopyView | null;
  }[];
}

/** How far the copy of a source into the merged topic has come. */
export interface FlowCopyView {
  records: number;
  /** Offsets that have yet to be copied, transactions' markers included. */
  behind: number | null;
  /** Why it stands still. */
  trouble: string | null;
}

export interface FleetEvent {
  /** Counts up within a run of central. */
  id: number;
  at: number;
  type: 'edge-state' | 'hello' | 'fork' | 'adopt-needed' | 'refused' | 'loss' | 'flow';
  alias: string;
  message: string;
}
