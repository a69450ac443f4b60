import type { Merge } from '../merge/merge.ts';
import type { EdgeRecord } from './edge-record.ts';
import { backlogOf, lagOf, oldestOf } from './lag.ts';
import type { Timeline } from './timeline.ts';
import type { EdgeView, StreamView } from './views.ts';

/** What is shown of a site; `edge.refresh` was called before. */
export function edgeView(edge: EdgeRecord, timeline: Timeline): EdgeView {
  const now = timeline.now();
  const said = edge.heartbeatSaid;
  const receivedAt = edge.heartbeatReceivedAt;
  const { facts, streams } = edge;
  const lag = lagOf(facts, now);
  return {
    alias: edge.alias,
    state: edge.state,
    stateSince: timeline.wall(edge.stateSince),
    lastHeartbeatAt: receivedAt,
    lag: {
      records: lag.records,
      bytes: lag.bytes,
      seconds: lag.ms === null ? null : lag.ms / 1000,
      atLeast: lag.atLeast,
      asOf: receivedAt,
    },
    rates: {
      recordsPerSecond: edge.records.perSecond(now),
      bytesPerSecond: edge.bytes.perSecond(now),
    },
    buffer: {
      usedBytes: said?.buffer.usedBytes ?? null,
      maxBytes: said?.buffer.maxBytes ?? null,
      etaFullSeconds: said ? edge.fill.etaSeconds(said.buffer.maxBytes) : null,
    },
    losses: { records: streams.lostRecords },
    epoch: edge.epoch,
    version: edge.version,
    clockOffsetSeconds: said && receivedAt !== null ? (said.clock - receivedAt) / 1000 : null,
    sources: said?.sources ?? [],
    counts: {
      accepted: lag.records === null ? null : streams.accepted + facts.rest.records,
      landed: streams.landedRecords,
      backlog: lag.records,
      lost: streams.lostRecords,
    },
    alarms: edge.alarmsNow(now),
  };
}

export function streamViews(
  { alias, streams, facts }: EdgeRecord,
  timeline: Timeline,
  merge: Pick<Merge, 'landedTopic'>,
): StreamView[] {
  return [...streams.all.values()].map((stream) => {
    const { epoch, topic, partition, head, through, landedRecords, lostRecords } = stream;
    const open = streams.open.has(stream);
    return {
      ...{ epoch, topic, partition, head, through, landedRecords, lostRecords },
      remoteTopic: merge.landedTopic(alias, topic),
      backlog: head === null ? { records: null, bytes: null } : backlogOf(stream),
      oldestUnlandedAt: open ? timeline.wallOrNull(oldestOf(stream, facts.heartbeat)) : null,
    };
  });
}
