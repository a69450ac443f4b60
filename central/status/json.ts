import { isUtf8 } from 'node:buffer';
import type { LossRecord } from '#shared/wire/link.ts';
import type { EdgeView, FleetEvent, FlowView, StreamView } from '../fleet/views.ts';
import type { CheckpointRow, LandedRecord, Landing, TopicRow } from '../landing/landing.ts';

/**
 * Views as the API shows them (DESIGN §9): times ISO 8601 UTC, durations seconds, sizes bytes,
 * unknown is null. Field by field, so that a new field of a view cannot slip out undescribed.
 */

const year0 = -62_167_219_200_000;
const year9999 = 253_402_300_799_999;

/** Records may carry any number as their time: one outside the years 0 to 9999 is null. */
export const time = (ms: number | null): string | null =>
  ms !== null && ms >= year0 && ms <= year9999 ? new Date(ms).toISOString() : null;

export const edgeJson = (edge: EdgeView) => ({
  alias: edge.alias,
  state: edge.state,
  stateSince: time(edge.stateSince),
  lastHeartbeatAt: time(edge.lastHeartbeatAt),
  lag: {
    records: edge.lag.records,
    bytes: edge.lag.bytes,
    seconds: edge.lag.seconds,
    atLeast: edge.lag.atLeast,
    asOf: time(edge.lag.asOf),
  },
  rates: {
    recordsPerSecond: edge.rates.recordsPerSecond,
    bytesPerSecond: edge.rates.bytesPerSecond,
  },
  buffer: {
    usedBytes: edge.buffer.usedBytes,
    maxBytes: edge.buffer.maxBytes,
    etaFullSeconds: edge.buffer.etaFullSeconds,
  },
  losses: { records: edge.losses.records },
  epoch: edge.epoch,
  version: edge.version,
  clockOffsetSeconds: edge.clockOffsetSeconds,
  sources: edge.sources.map(({ name, type, state, detail, acceptedRecords }) => ({
    name,
    type,
    state,
    detail,
    acceptedRecords,
  })),
  counts: {
    accepted: edge.counts.accepted,
    landed: edge.counts.landed,
    backlog: edge.counts.backlog,
    lost: edge.counts.lost,
  },
  alarms: [...edge.alarms],
});

export const streamJson = (stream: StreamView) => ({
  epoch: stream.epoch,
  topic: stream.topic,
  partition: stream.partition,
  remoteTopic: stream.remoteTopic,
  head: stream.head,
  through: stream.through,
  backlog: { records: stream.backlog.records, bytes: stream.backlog.bytes },
  oldestUnlandedAt: time(stream.oldestUnlandedAt),
  landedRecords: stream.landedRecords,
  lostRecords: stream.lostRecords,
});

/** Offsets are all that Kafka tells of a topic, and its markers of transactions take some, too. */
const countsExactly = ({ kind }: Kind): boolean => kind !== 'kafka';

type Kind = Pick<Landing, 'kind'>;

export const flowJson = (flow: FlowView, landing: Kind) => ({
  into: flow.into,
  from: [...flow.from],
  external: flow.external,
  partitions: flow.partitions,
  records: flow.records,
  recordsExact: countsExactly(landing),
  recordsPerSecond: flow.recordsPerSecond,
  watermark: time(flow.watermark),
  heldBackBy: [...flow.heldBackBy],
  sources: flow.sources.map((source) => ({
    alias: source.alias,
    topic: source.topic,
    remoteTopic: source.remoteTopic,
    watermark: time(source.watermark),
    state: source.state,
    copy: source.copy && {
      records: source.copy.records,
      behind: source.copy.behind,
      trouble: source.copy.trouble,
    },
  })),
});

export const eventJson = (event: FleetEvent) => ({
  id: event.id,
  at: time(event.at),
  type: event.type,
  alias: event.alias,
  message: event.message,
});

export const checkpointJson = (row: CheckpointRow) => ({
  alias: row.alias,
  epoch: row.epoch,
  topic: row.topic,
  partition: row.partition,
  partitionCount: row.partitionCount,
  through: row.through,
  landedRecords: row.landedRecords,
  landedBytes: row.landedBytes,
  lostRecords: row.lostRecords,
  remoteTopic: row.remoteTopic,
  remoteOffset: row.remoteOffset,
  merged: row.merged.map(({ topic, offset }) => ({ topic, offset })),
  acceptedAt: time(row.acceptedAt),
  landedAt: time(row.landedAt),
  session: row.session,
});

export const lossJson = (loss: LossRecord) => ({
  alias: loss.alias,
  epoch: loss.epoch,
  topic: loss.topic,
  partition: loss.partition,
  first: loss.first,
  span: loss.span,
  records: loss.records,
  scope: loss.scope,
  bytes: loss.bytes,
  from: time(loss.from),
  to: time(loss.to),
  reason: loss.reason,
  detail: loss.detail,
  landedAt: time(loss.landedAt),
});

export const topicJson = (topic: TopicRow, landing: Kind) => ({
  topic: topic.topic,
  kind: topic.kind,
  partitions: topic.partitions.length,
  records: topic.records,
  recordsExact: countsExactly(landing),
  troubles: [...(topic.troubles ?? [])],
  offsets: topic.partitions.map(({ partition, startOffset, endOffset }) => ({
    partition,
    startOffset,
    endOffset,
  })),
});

export const recordJson = (record: LandedRecord) => ({
  offset: record.offset,
  // Kafka's -1: the record has no time.
  timestamp: record.timestamp === -1 ? null : time(record.timestamp),
  ...bytesJson('key', record.key),
  ...bytesJson('value', record.value),
  headers: record.headers.map(([name, value]) => [
    name,
    value === null || isUtf8(value) ? text(value) : { base64: value.toString('base64') },
  ]),
});

const text = (bytes: Buffer | null) => (bytes === null ? null : bytes.toString('utf8'));

function bytesJson(name: 'key' | 'value', bytes: Buffer | null) {
  if (bytes === null || isUtf8(bytes)) return { [name]: text(bytes) };
  return { [`${name}Base64`]: bytes.toString('base64') };
}
