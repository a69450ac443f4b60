import {
  type MetricFamily,
  type MetricSample,
  Metrics,
  oneSample,
  processFamilies,
} from '#shared/std/metrics.ts';
import type { EdgeView, FlowCopyView, FlowView } from '../fleet/views.ts';
import type { Route, StatusParts } from './app.ts';
import { edgeStates } from './words.ts';

/** Prometheus text, `tributary_central_…`. What is not known has no line: never a 0, never NaN. */

export function metricsRoute(parts: StatusParts): Route {
  const metrics = new Metrics();
  return {
    path: '/metrics',
    get: async (c) => {
      const text = await metrics.text([
        ...(await centralFamilies(parts)),
        ...edgeFamilies(parts.fleet.edges()),
        ...flowFamilies(parts.fleet.flows()),
        ...processFamilies(),
      ]);
      return c.body(text, 200, { 'content-type': metrics.contentType });
    },
  };
}

async function centralFamilies({ landing, version, log }: StatusParts): Promise<MetricFamily[]> {
  // A landing that fails must not take the fleet's numbers with it: its own lines are missing then.
  const usage = await landing.usage().catch((error: Error) => {
    log.warn({ err: error }, 'landing usage is not in this scrape');
    return null;
  });
  return [
    gauge('build_info', 'The version that runs, as a label; always 1.', [
      { labels: { version, landing: landing.kind }, value: 1 },
    ]),
    gauge('landing_used_bytes', 'Disk in use.', oneSample(usage?.usedBytes ?? null)),
    gauge('landing_max_bytes', 'Disk allowed.', oneSample(usage?.maxBytes ?? null)),
  ];
}

function edgeFamilies(edges: readonly EdgeView[]): MetricFamily[] {
  const each = (value: (edge: EdgeView) => number | null): MetricSample[] =>
    edges.flatMap((edge) => sample({ edge: edge.alias }, value(edge)));
  return [
    gauge(
      'edge_state',
      '1 for the state that the site is in, 0 for the others.',
      edges.flatMap(({ alias, state }) =>
        edgeStates.map((s) => ({ labels: { edge: alias, state: s }, value: s === state ? 1 : 0 })),
      ),
    ),
    gauge(
      'edge_last_heartbeat_timestamp_seconds',
      'When the last heartbeat was committed, by the clock of central.',
      each((edge) => seconds(edge.lastHeartbeatAt)),
    ),
    gauge(
      'edge_backlog_records',
      'Not landed yet, as last heard.',
      each((e) => e.lag.records),
    ),
    gauge(
      'edge_backlog_bytes',
      'Not landed yet, as last heard.',
      each((e) => e.lag.bytes),
    ),
    gauge(
      'edge_lag_seconds',
      'Time since the oldest record not yet landed was accepted; see edge_lag_at_least.',
      each((e) => e.lag.seconds),
    ),
    gauge(
      'edge_lag_at_least',
      '1 while the site is silent: its true lag may be worse than edge_lag_seconds.',
      each((e) => (e.lag.atLeast ? 1 : 0)),
    ),
    counter(
      'edge_landed_records_total',
      'Records landed.',
      each((e) => e.counts.landed),
    ),
    counter(
      'edge_lost_records_total',
      'Records declared lost.',
      each((e) => e.counts.lost),
    ),
    gauge(
      'edge_buffer_used_bytes',
      'Buffer in use at the site.',
      each((e) => e.buffer.usedBytes),
    ),
    gauge(
      'edge_buffer_max_bytes',
      'Cap of the buffer.',
      each((e) => e.buffer.maxBytes),
    ),
    gauge(
      'edge_clock_offset_seconds',
      'How far the clock of the site is ahead of central.',
      each((e) => e.clockOffsetSeconds),
    ),
    gauge(
      'edge_alarms',
      'Reasons why a person should look.',
      each((e) => e.alarms.length),
    ),
  ];
}

function flowFamilies(flows: readonly FlowView[]): MetricFamily[] {
  const each = (value: (flow: FlowView) => number | null): MetricSample[] =>
    flows.flatMap((flow) => sample({ flow: flow.into }, value(flow)));
  const eachCopy = (value: (copy: FlowCopyView) => number | null): MetricSample[] =>
    flows.flatMap(({ into, sources }) =>
      sources.flatMap(({ remoteTopic, copy }) =>
        copy === null ? [] : sample({ flow: into, topic: remoteTopic }, value(copy)),
      ),
    );
  return [
    gauge(
      'flow_watermark_timestamp_seconds',
      'The merged topic is complete through this time, over all its sites.',
      each((flow) => seconds(flow.watermark)),
    ),
    gauge(
      'flow_records',
      'Records in the merged topic now.',
      each((flow) => flow.records),
    ),
    gauge(
      'flow_copy_behind_offsets',
      'Offsets of a topic that a flow copies and that have yet to be copied.',
      eachCopy(({ behind }) => behind),
    ),
    gauge(
      'flow_copy_stands_still',
      '1 where the copy of a topic into a merged one stands still and this collector knows why.',
      eachCopy(({ trouble }) => (trouble === null ? 0 : 1)),
    ),
  ];
}

const gauge = (name: string, help: string, samples: MetricSample[]): MetricFamily => ({
  name: `tributary_central_${name}`,
  help,
  type: 'gauge',
  samples,
});

const counter = (name: string, help: string, samples: MetricSample[]): MetricFamily => ({
  ...gauge(name, help, samples),
  type: 'counter',
});

const seconds = (ms: number | null): number | null => (ms === null ? null : ms / 1000);

const sample = (labels: { [name: string]: string }, value: number | null): MetricSample[] =>
  value === null || !Number.isFinite(value) ? [] : [{ labels, value }];
