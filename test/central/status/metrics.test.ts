import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { edgeView, fakeStatus, flowView, unseenView } from './fakes.ts';

function fleetOfThree() {
  const status = fakeStatus();
  status.fleet.views = [
    edgeView('factory-a'),
    edgeView('factory-b', {
      state: 'offline',
      lag: { records: 7, bytes: 70, seconds: 240, atLeast: true, asOf: 1_000_000 },
      rates: { recordsPerSecond: Number.NaN, bytesPerSecond: 0 },
      clockOffsetSeconds: Number.NaN,
    }),
    unseenView('factory-c'),
  ];
  status.fleet.flowViews = [flowView('sensor-data'), flowView('alarms', { watermark: null })];
  return status;
}

const scrape = async () => (await fleetOfThree().app.request('/metrics')).text();

test('each site has its state, its lag and whether that is only a lower bound', async () => {
  const text = await scrape();
  for (const line of [
    'tributary_central_build_info{version="0.1.0",landing="embedded"} 1',
    'tributary_central_edge_state{edge="factory-a",state="live"} 1',
    'tributary_central_edge_state{edge="factory-a",state="offline"} 0',
    'tributary_central_edge_state{edge="factory-b",state="offline"} 1',
    'tributary_central_edge_last_heartbeat_timestamp_seconds{edge="factory-a"} 1769846398',
    'tributary_central_edge_backlog_records{edge="factory-b"} 7',
    'tributary_central_edge_backlog_bytes{edge="factory-b"} 70',
    'tributary_central_edge_lag_seconds{edge="factory-b"} 240',
    'tributary_central_edge_lag_at_least{edge="factory-a"} 0',
    'tributary_central_edge_lag_at_least{edge="factory-b"} 1',
    'tributary_central_edge_landed_records_total{edge="factory-a"} 1000',
    'tributary_central_edge_lost_records_total{edge="factory-a"} 0',
    'tributary_central_edge_clock_offset_seconds{edge="factory-a"} -0.25',
    'tributary_central_flow_watermark_timestamp_seconds{flow="sensor-data"} 1769846398.5',
    'tributary_central_landing_used_bytes 1000',
  ]) {
    expect(text.split('\n')).toContain(line);
  }
});

test('what is not known has no line: no 0, no NaN', async () => {
  const text = await scrape();
  expect(text).not.toMatch(/NaN/);
  expect(text).not.toContain('lag_seconds{edge="factory-c"}');
  expect(text).not.toContain('clock_offset_seconds{edge="factory-b"}');
  expect(text).not.toContain('watermark_timestamp_seconds{flow="alarms"}');
});

test('a landing that cannot say its size does not take the fleet with it', async () => {
  const { app, fleet } = fakeStatus({ usage: () => Promise.reject(new Error('gone')) });
  fleet.views = [edgeView('factory-a')];
  const text = await (await app.request('/metrics')).text();
  expect(text).toContain('edge_lag_seconds{edge="factory-a"} 1.5');
  expect(text).not.toContain('landing_used_bytes');
});

const missing = spawnSync('promtool', ['--version']).error !== undefined;
if (missing) {
  const reason = 'promtool is not installed (Debian: apt install prometheus)';
  if (process.env.TRIBUTARY_REQUIRE === 'all') throw new Error(reason);
  console.warn(`not checked with promtool: ${reason}`);
}

test.skipIf(missing)('promtool finds nothing to complain about', async () => {
  const checked = spawnSync('promtool', ['check', 'metrics'], { input: await scrape() });
  expect(checked.stderr.toString() + checked.stdout.toString()).toBe('');
  expect(checked.status).toBe(0);
});
