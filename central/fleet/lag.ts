import type { StreamId } from '#shared/wire/link.ts';
import type { EdgeStateName } from './views.ts';

/**
 * How far behind a site is (DESIGN §1.4), from what was committed and the time since: pure
 * arithmetic. All times are ms on one line (timeline.ts). Where something is not known, the older
 * time is taken: lag may be overstated for a moment, never understated.
 */
export interface StreamFacts extends StreamId {
  /** Highest sequence landed or lost; -1 when none. */
  through: number;
  landedRecords: number;
  lostRecords: number;
  /** Highest sequence that exists at the edge; null when it was not told yet. */
  head: number | null;
  /** The last heartbeat that named the stream. */
  told: StreamTold | null;
  /** When the newest record that landed was accepted; null when not known. */
  landedAcceptedAt: number | null;
}

export interface StreamTold {
  cursor: number;
  backlogRecords: number;
  backlogBytes: number;
  /** When the oldest record without acknowledgement was accepted. */
  oldestAt: number | null;
  acceptedRecords: number;
}

export interface EdgeFacts {
  /** The last committed heartbeat. */
  heartbeat: { at: number; intervalMs: number; oldestAt: number | null } | null;
  /** It belongs to the present session, and came in this run of central. */
  fresh: boolean;
  /** Streams of which something is known not to have landed. */
  open: Iterable<StreamFacts>;
  /** Backlog in the heartbeat's totals beyond the streams that were named. */
  rest: { records: number; bytes: number };
}

/** Heartbeat intervals after which a site counts as silent. */
const silentIntervals = 1.5;

export const isOpen = (stream: StreamFacts): boolean =>
  stream.head !== null && stream.head > stream.through;

/** Of an open stream: not more than what the edge told, less what landed since. */
export function backlogOf(stream: StreamFacts): { records: number; bytes: number } {
  const { head, through, told } = stream;
  if (head === null || head <= through) return { records: 0, bytes: 0 };
  const sequences = head - through;
  if (!told) return { records: sequences, bytes: 0 };
  const share = Math.min(1, sequences / Math.max(1, head - told.cursor));
  return {
    records: Math.min(sequences, told.backlogRecords),
    bytes: Math.round(told.backlogBytes * share),
  };
}

/** When the oldest record of an open stream that has not landed was accepted, or before. */
export function oldestOf(stream: StreamFacts, heartbeat: EdgeFacts['heartbeat']): number | null {
  const told = stream.told?.oldestAt ?? boundOf(heartbeat);
  const { landedAcceptedAt } = stream;
  if (told === null || landedAcceptedAt === null) return told ?? landedAcceptedAt;
  return Math.max(told, landedAcceptedAt);
}

/** Nothing that has not landed is older than this. */
const boundOf = (heartbeat: EdgeFacts['heartbeat']): number | null =>
  heartbeat && (heartbeat.oldestAt ?? heartbeat.at);

export interface Lag {
  records: number | null;
  bytes: number | null;
  ms: number | null;
  /** The site is silent: the truth may be worse. */
  atLeast: boolean;
  /** Age of the oldest record that is known not to have landed; null: none is known. */
  backlogMs: number | null;
}

export function lagOf(facts: EdgeFacts, now: number): Lag {
  const { heartbeat, rest } = facts;
  let { records, bytes } = rest;
  let oldest = rest.records > 0 ? boundOf(heartbeat) : null;
  for (const stream of facts.open) {
    const backlog = backlogOf(stream);
    records += backlog.records;
    bytes += backlog.bytes;
    const accepted = oldestOf(stream, heartbeat);
    if (accepted !== null && (oldest === null || accepted < oldest)) oldest = accepted;
  }
  const backlogMs = oldest === null ? null : Math.max(0, now - oldest);
  if (!heartbeat) return { records: null, bytes: null, ms: backlogMs, atLeast: true, backlogMs };
  if (!isSilent(facts, now))
    return { records, bytes, ms: backlogMs ?? 0, atLeast: false, backlogMs };
  // Since the last heartbeat anything may have been accepted, the first of it right after.
  const ms = Math.max(0, now - (oldest ?? heartbeat.at));
  return { records, bytes, ms, atLeast: true, backlogMs };
}

const isSilent = ({ heartbeat, fresh }: EdgeFacts, now: number): boolean =>
  !heartbeat || !fresh || now - heartbeat.at > silentIntervals * heartbeat.intervalMs;

export interface StateRules {
  offlineAfterMs: number;
  stalledAfterMs: number;
}

export interface Doing {
  /** It said hello to this central at least once. */
  seen: boolean;
  /** The last heartbeat, or the hello when none came since. */
  heardAt: number | null;
  heartbeatIntervalMs: number;
  /** When something landed last, or a backlog came into being. */
  movedAt: number;
  lag: Lag;
}

/** Heartbeat intervals: an older backlog is being caught up with. */
const catchingUpIntervals = 2;

export function stateOf(doing: Doing, rules: StateRules, now: number): EdgeStateName {
  if (!doing.seen) return 'never-seen';
  if (doing.heardAt === null || now - doing.heardAt > rules.offlineAfterMs) return 'offline';
  const { backlogMs, records } = doing.lag;
  if (backlogMs === null && !records) return 'live';
  if (now - doing.movedAt >= rules.stalledAfterMs) return 'stalled';
  const old = catchingUpIntervals * doing.heartbeatIntervalMs;
  return (backlogMs ?? 0) > old ? 'catching-up' : 'live';
}
