import { type Clock, isoTime } from '#shared/std/clock.ts';
import type { SourceState } from '#shared/wire/link.ts';
import type { BufferReport, LedgerLoss, RecordBuffer } from './buffer/buffer.ts';
import type { UplinkStatus } from './uplink/uplink-status.ts';

/** What the status API is given to look at. */
export interface StatusSubject {
  alias: string;
  /** The agent's, for people. */
  version: string;
  clock: Clock;
  buffer: RecordBuffer;
  uplink: () => UplinkStatus;
  sources: () => SourceState[];
}

/** One moment of the agent. */
export interface Snapshot {
  /** Wall clock, ms. */
  at: number;
  report: BufferReport;
  losses: LedgerLoss[];
  uplink: UplinkStatus;
  sources: SourceState[];
}

export async function takeSnapshot(
  { buffer, clock, uplink, sources }: StatusSubject,
  maxStreams: number,
  maxLosses: number,
): Promise<Snapshot> {
  const [report, losses] = await Promise.all([
    buffer.report(0, maxStreams),
    maxLosses > 0 ? buffer.losses(maxLosses) : [],
  ]);
  return { at: clock.now(), report, losses, uplink: uplink(), sources: sources() };
}

/**
 * What was accepted is acknowledged by central, still here, or declared lost. The middle two and
 * the first are counted; acknowledged is what is left of them.
 */
export const acknowledgedRecords = ({ totals }: BufferReport): number =>
  Math.max(0, totals.acceptedRecords - totals.backlogRecords - totals.lostRecords);

/**
 * `GET /api/v1/status`. Field by field, so that nothing slips out that /openapi.json does not
 * say.
 */
export function statusJson(subject: StatusSubject, startedAt: number, snapshot: Snapshot) {
  const { identity } = subject.buffer;
  const { report } = snapshot;
  return {
    alias: subject.alias,
    epoch: identity.epoch,
    session: identity.session,
    version: subject.version,
    at: isoTime(snapshot.at),
    uptimeSeconds: Math.floor((subject.clock.monotonic() - startedAt) / 1000),
    central: centralJson(snapshot.uplink, identity.centralId),
    buffer: bufferJson(report),
    counts: {
      accepted: report.totals.acceptedRecords,
      acknowledged: acknowledgedRecords(report),
      backlog: report.totals.backlogRecords,
      lost: report.totals.lostRecords,
    },
    sources: snapshot.sources.map(({ name, type, state, detail, acceptedRecords }) => ({
      name,
      type,
      state,
      detail,
      acceptedRecords,
    })),
    streams: report.streams.map(streamJson),
    streamsOmitted: report.more,
    losses: snapshot.losses.map(lossJson),
  };
}

const centralJson = (uplink: UplinkStatus, lastCentralId: string | null) => ({
  url: uplink.url,
  id: uplink.centralId ?? lastCentralId,
  state: uplink.state,
  lastAckAt: isoTime(uplink.lastAckAt),
  lastError: uplink.lastError,
  failingSince: isoTime(uplink.failingSince),
  nextAttemptAt: isoTime(uplink.nextAttemptAt),
  clockOffsetSeconds: uplink.clockOffsetSeconds,
  requestBytes: uplink.requestBytesTarget,
  held: [...uplink.held],
  sentBytes: uplink.sentBytes,
  sentFrames: uplink.sentFrames,
});

const bufferJson = (report: BufferReport) => ({
  usedBytes: report.usedBytes,
  maxBytes: report.maxBytes,
  whenFull: report.whenFull,
  blocked: report.blocked,
  backlogRecords: report.totals.backlogRecords,
  backlogBytes: report.totals.backlogBytes,
  oldestSeconds: seconds(report.totals.oldestAgeMs),
  quarantined: report.quarantined,
  lossesPending: report.totals.lossesPending,
});

const streamJson = (stream: BufferReport['streams'][number]) => ({
  epoch: stream.epoch,
  topic: stream.topic,
  partition: stream.partition,
  head: stream.head,
  cursor: stream.cursor,
  acceptedRecords: stream.acceptedRecords,
  backlogRecords: stream.backlogRecords,
  backlogBytes: stream.backlogBytes,
  oldestSeconds: seconds(stream.oldestAgeMs),
  lostRecords: stream.lostRecords,
});

const lossJson = (loss: LedgerLoss) => ({
  epoch: loss.epoch,
  topic: loss.topic,
  partition: loss.partition,
  first: loss.first,
  span: loss.span,
  records: loss.records,
  scope: loss.scope,
  bytes: loss.bytes,
  from: isoTime(loss.from),
  to: isoTime(loss.to),
  reason: loss.reason,
  detail: loss.detail,
  declaredAt: isoTime(loss.declaredAt),
  landed: loss.landed,
});

const seconds = (ms: number | null): number | null => (ms === null ? null : ms / 1000);
