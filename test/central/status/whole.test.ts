import { expect, test } from 'vitest';
import { openFleet } from '#central/fleet/open-fleet.ts';
import { openMerge } from '#central/merge/merge.ts';
import { createStatus } from '#central/status/status.ts';
import { silentLog } from '#shared/std/log.ts';
import { type Edge, openEdge } from '../intake/edge.ts';
import { World } from '../intake/world.ts';
import { ajv, complaints, document } from './contract.ts';

/** The status API over the fleet, the intake and the landing as they are; only sockets are missing. */

async function central() {
  const world = new World();
  const fleet = await openFleet({
    landing: world.landing,
    merge: openMerge([{ into: 'sensor-data', from: ['*.sensor-data'] }]),
    clock: world.clock,
    log: silentLog,
    expect: ['factory-z'],
    offlineAfterMs: 15_000,
    stalledAfterMs: 30_000,
  });
  world.tell(fleet);
  const { app, close } = createStatus({
    listen: '127.0.0.1:8080',
    landing: world.landing,
    fleet: { ...fleet, ...world.intake.admin },
    clock: world.clock,
    log: silentLog,
    version: '0.1.0',
    linkUrl: null,
  });
  const ask = async (path: string, described = path, method = 'get') => {
    const headers = method === 'post' ? { 'content-type': 'application/json' } : undefined;
    const response = await app.request(path, { method: method.toUpperCase(), headers });
    const body = JSON.parse(await response.text());
    expect([path, complaints(method, described, response.status, body)]).toEqual([path, []]);
    return { status: response.status, body };
  };
  const act = (alias: string, action: string) =>
    ask(`/api/v1/edges/${alias}/${action}`, `/api/v1/edges/{alias}/${action}`, 'post');
  const site = async (alias: string) =>
    (await ask(`/api/v1/edges/${alias}`, '/api/v1/edges/{alias}')).body;
  return { world, app, ask, act, site, close };
}

/** Ten records accepted, six landed, one lost, three waiting for two seconds. */
async function halfLanded(world: World): Promise<Edge> {
  const edge = await openEdge(world);
  const { status } = await edge.segments([edge.segment(0, 6), edge.loss(6, 1)]);
  expect(status).toBe(200);
  const totals = { acceptedRecords: 10, backlogRecords: 3, backlogBytes: 30 };
  const beat = await edge.heartbeat({
    totals: { ...totals, oldestAgeMs: 2_000, lostRecords: 1, lossesPending: 0 },
    streams: [
      {
        epoch: edge.epoch,
        topic: 'sensor-data',
        partition: 0,
        partitionCount: 1,
        head: 9,
        cursor: 6,
        ...totals,
        oldestAgeMs: 2_000,
        lostRecords: 1,
      },
    ],
  });
  expect(beat.status).toBe(200);
  return edge;
}

test('a site that lands half of what it has is shown with exactly that, everywhere', async () => {
  const { world, app, ask, site, close } = await central();
  await halfLanded(world);
  const one = await site('factory-a');
  expect(one).toMatchObject({
    alias: 'factory-a',
    version: 'test 1.0',
    lag: { records: 3, bytes: 30, seconds: 2, atLeast: false },
    losses: { records: 1 },
    counts: { accepted: 10, landed: 6, backlog: 3, lost: 1 },
    streams: [{ topic: 'sensor-data', head: 9, through: 6, landedRecords: 6, lostRecords: 1 }],
  });
  const { edges } = (await ask('/api/v1/edges')).body;
  expect(edges.map(({ alias, state }: { [name: string]: string }) => [alias, state])).toEqual([
    ['factory-a', one.state],
    ['factory-z', 'never-seen'],
  ]);
  const { flows } = (await ask('/api/v1/flows')).body;
  expect(flows).toMatchObject([{ into: 'sensor-data', records: 6 }]);
  for (const path of ['checkpoints', 'losses', 'topics', 'central']) await ask(`/api/v1/${path}`);
  const metrics = await (await app.request('/metrics')).text();
  expect(metrics).toContain('tributary_central_edge_lag_seconds{edge="factory-a"} 2\n');
  expect(metrics).not.toContain('lag_seconds{edge="factory-z"}');
  close();
});

test('the lag of a site that falls silent is a lower bound that grows', async () => {
  const { world, site, close } = await central();
  await halfLanded(world);
  await world.pass(60_000);
  const then = await site('factory-a');
  expect(then).toMatchObject({ state: 'offline', lag: { atLeast: true } });
  expect(then.lag.seconds).toBeGreaterThanOrEqual(62);
  await world.pass(60_000);
  const later = await site('factory-a');
  expect(later.lag.seconds).toBeCloseTo(then.lag.seconds + 60, 3);
  expect(later.lag.asOf).toBe(then.lag.asOf);
  close();
});

test('what happens reaches listeners, as described', async () => {
  const { world, app, close } = await central();
  const response = await app.request('/api/v1/events');
  await halfLanded(world);
  await world.pass(20_000);
  close();
  const messages = [...(await response.text()).matchAll(/event: (.*)\ndata: (.*)\n/g)];
  const types = messages.map(([, type]) => type);
  expect(types).toEqual(expect.arrayContaining(['hello', 'edge-state', 'loss', 'edges', 'flows']));
  for (const [, type, data] of messages) {
    const name = { edges: 'EdgesEvent', flows: 'FlowsEvent' }[type!] ?? 'Event';
    const schema = { $ref: `#/components/schemas/${name}`, components: document.components };
    const validate = ajv.compile(schema);
    validate(JSON.parse(data!));
    expect([type, validate.errors]).toEqual([type, null]);
  }
});

test('a person may disable, enable and remove a site, and is told when it cannot be', async () => {
  const { world, act, ask, close } = await central();
  const edge = await openEdge(world);
  expect((await act('factory-a', 'disable')).status).toBe(200);
  expect((await edge.hello()).status).not.toBe(200);
  expect((await act('factory-a', 'enable')).status).toBe(200);
  expect((await edge.hello()).status).toBe(200);
  expect((await act('factory-a', 'adopt')).status).toBe(200);
  const never = await act('factory-z', 'adopt');
  expect([never.status, never.body.error.code]).toEqual([409, 'not-possible']);
  expect(never.body.error.message).toContain('factory-z');
  expect((await act('factory-a', 'remove')).status).toBe(200);
  expect((await act('factory-a', 'remove')).status).toBe(404);
  const { edges } = (await ask('/api/v1/edges')).body;
  expect(edges.map(({ alias }: { alias: string }) => alias)).toEqual(['factory-z']);
  close();
});
