import { type MetricFamily, type MetricSample, oneSample } from '#shared/std/metrics.ts';
import type { SourceState } from '#shared/wire/link.ts';
import { acknowledgedRecords, type Snapshot } from './status-snapshot.ts';

/** The agent in Prometheus' terms. Times are points in time, so that an alert says `time() - x`. */
export function edgeFamilies({ at, report, uplink, sources }: Snapshot, version: string) {
  const { totals } = report;
  const oldest = totals.oldestAgeMs === null ? null : (at - totals.oldestAgeMs) / 1000;
  const lastAck = uplink.lastAckAt === null ? null : uplink.lastAckAt / 1000;
  const connected = uplink.state === 'connected' || uplink.state === 'not-landing' ? 1 : 0;
  const failing = uplink.failingSince === null ? null : uplink.failingSince / 1000;
  return [
    gauge('build_info', 'Always 1; the labels say what runs.', [
      { labels: { version, node: process.version }, value: 1 },
    ]),
    counter('accepted_records', 'Records made durable here.', totals.acceptedRecords),
    counter(
      'acknowledged_records',
      'Records acknowledged by central.',
      acknowledgedRecords(report),
    ),
    counter('lost_records', 'Accepted records that were declared lost.', totals.lostRecords),
    gauge('losses_pending', 'Loss records not yet at central.', totals.lossesPending),
    gauge('backlog_records', 'Records not yet acknowledged by central.', totals.backlogRecords),
    gauge('backlog_bytes', 'Their size.', totals.backlogBytes),
    gauge('backlog_oldest_timestamp_seconds', 'When the oldest of them was accepted.', oldest),
    gauge('buffer_used_bytes', 'Disk that the buffer uses.', report.usedBytes),
    gauge('buffer_max_bytes', 'Disk that it may use.', report.maxBytes),
    gauge('buffer_blocked', '1 while a source waits for room.', report.blocked ? 1 : 0),
    gauge('buffer_quarantined_segments', 'Segments set aside as unusable.', report.quarantined),
    gauge('uplink_connected', '1 while central answers.', connected),
    gauge('uplink_failing_since_timestamp_seconds', 'Since when something fails there.', failing),
    gauge('uplink_last_ack_timestamp_seconds', "When central's last answer came.", lastAck),
    gauge('uplink_request_target_bytes', 'Size that requests aim at.', uplink.requestBytesTarget),
    counter('uplink_sent_bytes', 'Bytes sent to central, repeats included.', uplink.sentBytes),
    counter('uplink_sent_frames', 'Frames sent to central, likewise.', uplink.sentFrames),
    gauge('clock_offset_seconds', "Central's clock minus ours.", uplink.clockOffsetSeconds),
    counter('source_accepted_records', 'Records accepted, by source.', sources.map(accepted)),
    gauge('source_state', '1 for the state that a source is in.', sources.flatMap(states)),
  ];
}

type Values = number | null | readonly MetricSample[];

const samples = (values: Values): readonly MetricSample[] =>
  typeof values === 'number' || values === null ? oneSample(values) : values;

const gauge = (name: string, help: string, values: Values): MetricFamily => ({
  name: `tributary_edge_${name}`,
  help,
  type: 'gauge',
  samples: samples(values),
});

const counter = (name: string, help: string, values: Values): MetricFamily => ({
  ...gauge(`${name}_total`, help, values),
  type: 'counter',
});

const accepted = ({ name, type, acceptedRecords }: SourceState): MetricSample => ({
  labels: { source: name, type },
  value: acceptedRecords,
});

const allStates: readonly SourceState['state'][] = [
  'starting',
  'running',
  'degraded',
  'failed',
  'stopped',
];

const states = ({ name, type, state: current }: SourceState): MetricSample[] =>
  allStates.map((state) => ({
    labels: { source: name, type, state },
    value: state === current ? 1 : 0,
  }));
