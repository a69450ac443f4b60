import { expect, test } from 'vitest';
import { createStatus, openStatus } from '#edge/status.ts';
import { at, openSubject } from './status-subject.ts';

function open() {
  const parts = openSubject();
  const app = createStatus({ ...parts.subject, context: parts.context });
  const get = async (path: string, init?: RequestInit) => {
    const response = await app.request(path, init);
    return {
      status: response.status,
      headers: response.headers,
      body: (await response.json()) as { [name: string]: unknown },
    };
  };
  return { ...parts, app, get };
}

test('status says where every accepted record is, and how the link stands', async () => {
  const { get, pass } = open();
  pass(61_500);
  const { status, body } = await get('/api/v1/status');
  expect(status).toBe(200);
  expect(body).toMatchObject({
    alias: 'factory-a',
    epoch: 'e'.repeat(32),
    session: 's'.repeat(32),
    version: '0.1.0',
    uptimeSeconds: 61,
    at: '2026-11-21T08:31:01.500Z',
    counts: { accepted: 1_000, acknowledged: 950, backlog: 30, lost: 20 },
    central: {
      state: 'connected',
      id: 'c'.repeat(32),
      lastAckAt: '2026-11-21T08:29:57.500Z',
      lastError: null,
      clockOffsetSeconds: 0.125,
      requestBytes: 65_536,
      held: [],
    },
    buffer: { usedBytes: 5_000_000, oldestSeconds: 12.5, quarantined: 2, whenFull: 'drop-oldest' },
    streamsOmitted: false,
  });
  expect(body.sources).toHaveLength(2);
  expect(body.streams).toHaveLength(3);
  expect(body.losses).toMatchObject([{ reason: 'evicted', landed: false, to: null }]);
});

test('before the first contact, times are null and the id is the one remembered', async () => {
  const { get, uplink, buffer } = open();
  Object.assign(uplink, { state: 'waiting', centralId: null, lastAckAt: null });
  uplink.lastError = 'connection refused';
  buffer.totals.oldestAgeMs = null;
  expect((await get('/api/v1/status')).body).toMatchObject({
    central: { state: 'waiting', id: null, lastAckAt: null, lastError: 'connection refused' },
    buffer: { oldestSeconds: null },
  });
});

test('many streams are listed only as far as asked for, and it says so', async () => {
  const { get, buffer } = open();
  buffer.streamCount = 500;
  const first = (await get('/api/v1/status')).body;
  expect([(first.streams as []).length, first.streamsOmitted]).toEqual([200, true]);
  const all = (await get('/api/v1/status?streams=10000')).body;
  expect([(all.streams as []).length, all.streamsOmitted]).toEqual([500, false]);
  for (const streams of ['0', 'x', '1.5', '99999'])
    expect(await get(`/api/v1/status?streams=${streams}`)).toMatchObject({
      status: 400,
      body: { error: { message: `streams = "${streams}" is no number of streams` } },
    });
});

test('healthy and ready while the store answers, whatever central does', async () => {
  const { get, uplink, sources } = open();
  uplink.state = 'waiting';
  sources[0]!.state = 'failed';
  for (const path of ['/healthz', '/readyz', '/livez'])
    expect(await get(path)).toMatchObject({ status: 200, body: { status: 'ok' } });
});

test('a store that fails is 503 with the reason; the process is alive all the same', async () => {
  const { get, buffer } = open();
  buffer.failure = new Error('disk I/O error');
  expect(await get('/healthz')).toMatchObject({
    status: 503,
    body: { status: 'failing', checks: { store: { ok: false, message: 'disk I/O error' } } },
  });
  expect((await get('/livez')).status).toBe(200);
});

test('a store that hangs is told after a while, and asked only once meanwhile', async () => {
  const { get, buffer, pass } = open();
  const stuck = Promise.withResolvers<void>();
  buffer.gate = stuck.promise;
  const answers = [get('/healthz'), get('/readyz'), get('/api/v1/status')];
  await new Promise(setImmediate);
  pass(5_000);
  const [health, ready, status] = await Promise.all(answers);
  expect(health).toMatchObject({
    status: 503,
    body: { checks: { store: { message: 'the store did not answer within 5 s' } } },
  });
  expect(ready?.status).toBe(503);
  expect(status).toMatchObject({ status: 503, body: { error: { code: 'store-silent' } } });
  const again = get('/healthz');
  await new Promise(setImmediate);
  pass(5_000);
  expect((await again).status).toBe(503);
  expect(buffer.probes).toBe(1);
  stuck.resolve();
  await new Promise(setImmediate);
  pass(1_000);
  expect((await get('/healthz')).status).toBe(200);
  expect(buffer.probes).toBe(2);
});

test('unknown paths and methods are told what there is', async () => {
  const { get } = open();
  expect(await get('/api/v2')).toMatchObject({
    status: 404,
    body: { error: { code: 'not-found' } },
  });
  const posted = await get('/api/v1/status', { method: 'POST' });
  expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
});

test("a stranger's name for this machine reads nothing", async () => {
  const { get } = open();
  for (const host of ['evil.example', '10.0.0.1:8081', ''])
    expect(await get('/api/v1/status', { headers: { host } }), host).toMatchObject({
      status: 421,
      body: { error: { code: 'wrong-host' } },
    });
  expect((await get('/api/v1/status', { headers: { host: '[::1]:1' } })).status).toBe(200);
});

test('send finds the records route here, for this machine only', async () => {
  const { get, context } = open();
  const post = (headers: { [name: string]: string }) =>
    get('/v1/records/orders', { method: 'POST', body: 'x', headers });
  expect(await post({ host: 'localhost:8081' })).toMatchObject({
    status: 200,
    body: { accepted: 1 },
  });
  const foreign = { host: 'localhost:8081', origin: 'http://evil.example' };
  expect((await post(foreign)).status).toBe(403);
  expect((await post({ host: 'evil.example' })).status).toBe(421);
  expect(context.texts).toEqual([[undefined, 'x']]);
});

test('the page loads nothing but its own files', async () => {
  const { app } = open();
  const page = await app.request('/');
  const html = await page.text();
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
  const loaded = [...html.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]) => path!);
  expect(loaded).toContain('/page.js');
  for (const path of loaded) expect((await app.request(path)).status, path).toBe(200);
});

test('it listens, answers and frees its port; a taken one names status.listen', async () => {
  const { subject, context } = openSubject();
  const status = await openStatus({ ...subject, context, listen: '127.0.0.1:0' });
  const { host } = new URL(status.url);
  expect((await fetch(`${status.url}/livez`)).status).toBe(200);
  await expect(openStatus({ ...subject, context, listen: host })).rejects.toThrow(
    `status.listen = "${host}": another program listens there already`,
  );
  await status.close();
  const next = await openStatus({ ...subject, context, listen: host });
  await next.close();
});

test('metrics are base units under tributary_edge_, times as points in time', async () => {
  const { app, buffer, uplink } = open();
  const scrape = async () => {
    const response = await app.request('/metrics');
    expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    return (await response.text()).split('\n').filter((line) => line.startsWith('tributary_edge_'));
  };
  const lines = await scrape();
  expect(lines).toEqual([
    `tributary_edge_build_info{version="0.1.0",node="${process.version}"} 1`,
    'tributary_edge_accepted_records_total 1000',
    'tributary_edge_acknowledged_records_total 950',
    'tributary_edge_lost_records_total 20',
    'tributary_edge_losses_pending 1',
    'tributary_edge_backlog_records 30',
    'tributary_edge_backlog_bytes 3000',
    `tributary_edge_backlog_oldest_timestamp_seconds ${at / 1000 - 12.5}`,
    'tributary_edge_buffer_used_bytes 5000000',
    'tributary_edge_buffer_max_bytes 10000000',
    'tributary_edge_buffer_blocked 0',
    'tributary_edge_buffer_quarantined_segments 2',
    'tributary_edge_uplink_connected 1',
    `tributary_edge_uplink_last_ack_timestamp_seconds ${at / 1000 - 2.5}`,
    'tributary_edge_uplink_request_target_bytes 65536',
    'tributary_edge_uplink_sent_bytes_total 1234567',
    'tributary_edge_uplink_sent_frames_total 42',
    'tributary_edge_clock_offset_seconds 0.125',
    'tributary_edge_source_accepted_records_total{source="mqtt:localhost:1883",type="mqtt"} 900',
    'tributary_edge_source_accepted_records_total{source="host",type="host"} 100',
    ...['starting 0', 'running 1', 'degraded 0', 'failed 0', 'stopped 0'].map(
      stateLine('mqtt:localhost:1883', 'mqtt'),
    ),
    ...['starting 0', 'running 0', 'degraded 1', 'failed 0', 'stopped 0'].map(
      stateLine('host', 'host'),
    ),
  ]);
  buffer.totals.oldestAgeMs = null;
  expect((await scrape()).join()).not.toContain('oldest');
  Object.assign(uplink, { state: 'not-landing', failingSince: at - 60_000 });
  expect(await scrape()).toEqual(
    expect.arrayContaining([
      'tributary_edge_uplink_connected 1',
      `tributary_edge_uplink_failing_since_timestamp_seconds ${at / 1000 - 60}`,
    ]),
  );
});

const stateLine = (source: string, type: string) => (text: string) => {
  const [state, value] = text.split(' ');
  return `tributary_edge_source_state{source="${source}",type="${type}",state="${state}"} ${value}`;
};
