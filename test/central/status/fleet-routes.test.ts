import { expect, test } from 'vitest';
import { edgeView, fakeStatus, flowView, unseenView } from './fakes.ts';

test('sites come with the field names, shapes and units of the contract', async () => {
  const { fleet, get } = fakeStatus();
  fleet.views = [edgeView('factory-a')];
  const { status, body } = await get('/api/v1/edges');
  expect(status).toBe(200);
  expect(body).toEqual({
    edges: [
      {
        alias: 'factory-a',
        state: 'live',
        stateSince: '2026-01-31T07:59:00.000Z',
        lastHeartbeatAt: '2026-01-31T07:59:58.000Z',
        lag: {
          records: 12,
          bytes: 3_400,
          seconds: 1.5,
          atLeast: false,
          asOf: '2026-01-31T07:59:58.000Z',
        },
        rates: { recordsPerSecond: 40.5, bytesPerSecond: 9_000 },
        buffer: { usedBytes: 2_000_000, maxBytes: 10_000_000_000, etaFullSeconds: null },
        losses: { records: 0 },
        epoch: 'a'.repeat(32),
        version: '0.1.0',
        clockOffsetSeconds: -0.25,
        sources: edgeView('x').sources,
        counts: { accepted: 1_012, landed: 1_000, backlog: 12, lost: 0 },
        alarms: [],
      },
    ],
  });
});

test('what is not known is null, never 0', async () => {
  const { fleet, get } = fakeStatus();
  fleet.views = [unseenView('factory-b')];
  const edge = (await get('/api/v1/edges')).body.edges[0];
  expect(edge.lag).toEqual({
    records: null,
    bytes: null,
    seconds: null,
    atLeast: true,
    asOf: null,
  });
  expect(edge.counts.accepted).toBeNull();
  expect(edge.lastHeartbeatAt).toBeNull();
});

test('one site is the same object with its streams', async () => {
  const { fleet, get } = fakeStatus();
  fleet.views = [edgeView('factory-a')];
  const all = (await get('/api/v1/edges')).body.edges[0];
  const { streams, ...one } = (await get('/api/v1/edges/factory-a')).body;
  expect(one).toEqual(all);
  expect(streams).toEqual([
    {
      epoch: 'a'.repeat(32),
      topic: 'sensor-data',
      partition: 0,
      remoteTopic: 'factory-a.sensor-data',
      head: 1_011,
      through: 999,
      backlog: { records: 12, bytes: 3_400 },
      oldestUnlandedAt: '2026-01-31T07:59:58.500Z',
      landedRecords: 1_000,
      lostRecords: 0,
    },
  ]);
});

test('a site that never came is a 404 that says where to look, a name that is none a 400', async () => {
  const { get } = fakeStatus();
  const unknown = await get('/api/v1/edges/factory-z');
  expect(unknown.status).toBe(404);
  expect(unknown.body.error.message).toContain('factory-z');
  expect(unknown.body.error.hint).toContain('/api/v1/edges');
  for (const name of ['a.b', '..%2F..%2Fetc', '%ff', '%zz', 'a%00b', 'tributary']) {
    const { status, body } = await get(`/api/v1/edges/${name}`);
    expect([name, status]).toEqual([name, 400]);
    expect(body.error.message).toMatch(/^alias = /);
  }
});

test('what Kafka holds is a bound, since its markers have offsets too, and its disks are its own', async () => {
  const { fleet, get } = fakeStatus({ kind: 'kafka', usage: async () => null });
  fleet.flowViews = [flowView('sensor-data')];
  expect((await get('/api/v1/flows')).body.flows).toMatchObject([{ recordsExact: false }]);
  const landing = { kind: 'kafka', usedBytes: null, maxBytes: null };
  expect((await get('/api/v1/central')).body).toMatchObject({ landing });
});

test('flows say through when they are complete and who holds them back', async () => {
  const { fleet, get } = fakeStatus();
  fleet.flowViews = [flowView('sensor-data')];
  expect((await get('/api/v1/flows')).body).toEqual({
    flows: [
      {
        into: 'sensor-data',
        from: ['*.sensor-data'],
        external: false,
        partitions: 1,
        records: 1_000,
        recordsExact: true,
        recordsPerSecond: 40.5,
        watermark: '2026-01-31T07:59:58.500Z',
        heldBackBy: ['factory-a'],
        sources: [
          {
            alias: 'factory-a',
            topic: 'sensor-data',
            remoteTopic: 'factory-a.sensor-data',
            watermark: '2026-01-31T07:59:58.500Z',
            state: 'live',
            copy: null,
          },
        ],
      },
    ],
  });
});

test('central tells its clock, where sites connect to and how full its disk is', async () => {
  const { get, pass } = fakeStatus();
  pass(5_000);
  expect((await get('/api/v1/central')).body).toEqual({
    centralId: 'c'.repeat(32),
    version: '0.1.0',
    linkUrl: 'http://127.0.0.1:8443',
    startedAt: '2026-01-31T08:00:00.000Z',
    now: '2026-01-31T08:00:05.000Z',
    landing: { kind: 'embedded', usedBytes: 1_000, maxBytes: 2_000 },
  });
});

test('each action reaches the fleet once, for a known site only', async () => {
  const { app, fleet } = fakeStatus();
  fleet.views = [edgeView('factory-a')];
  const post = (path: string) =>
    app.request(path, { method: 'POST', headers: { 'content-type': 'application/json' } });
  for (const action of ['adopt', 'disable', 'enable', 'remove']) {
    const response = await post(`/api/v1/edges/factory-a/${action}`);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ alias: 'factory-a', action, done: true });
  }
  expect((await post('/api/v1/edges/factory-z/adopt')).status).toBe(404);
  expect((await post('/api/v1/edges/factory-a/explode')).status).toBe(404);
  expect(fleet.asked).toEqual([
    'adopt factory-a',
    'disable factory-a',
    'enable factory-a',
    'remove factory-a',
  ]);
});
