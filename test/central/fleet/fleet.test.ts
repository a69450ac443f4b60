import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Fleet } from '#central/fleet/fleet.ts';
import { openFleet } from '#central/fleet/open-fleet.ts';
import { LandingError } from '#central/landing/landing.ts';
import { openMerge } from '#central/merge/merge.ts';
import { silentLog } from '#shared/std/log.ts';
import type { HeartbeatStream } from '#shared/wire/link.ts';
import { Edge, openEdge } from '../intake/edge.ts';
import { epochMs, World } from '../intake/world.ts';

const flows = [{ into: 'sensor-data', from: ['*.sensor-data'] }];
const expect2 = ['factory-a', 'factory-z'];
let world: World;
let fleet: Fleet;

async function open(): Promise<void> {
  const { landing, clock } = world;
  fleet = await openFleet({
    ...{ landing, clock, log: silentLog, merge: openMerge(flows), expect: expect2 },
    ...{ offlineAfterMs: 15_000, stalledAfterMs: 30_000 },
  });
  world.tell(fleet);
}

beforeEach(async () => {
  world = new World({ flows });
  await open();
});
afterEach(() => fleet.close());

/** Central is killed and started again `ms` later. */
async function restart(ms: number): Promise<void> {
  fleet.close();
  await world.pass(ms);
  world.restart();
  await open();
}

const told = (edge: Edge, over: Partial<HeartbeatStream> = {}): HeartbeatStream => ({
  ...{ epoch: edge.epoch, topic: 'sensor-data', partition: 0, partitionCount: 1 },
  ...{ head: -1, cursor: -1, backlogRecords: 0, backlogBytes: 0, oldestAgeMs: null },
  ...{ acceptedRecords: 0, lostRecords: 0 },
  ...over,
});

let number = 0;
/** What an edge with one stream says. `ageMs`: of its oldest record without acknowledgement. */
function beat(edge: Edge, head: number, cursor: number, ageMs: number | null, over: object = {}) {
  const backlogRecords = head - cursor;
  const totals = {
    acceptedRecords: head + 1,
    backlogRecords,
    backlogBytes: backlogRecords * 100,
    oldestAgeMs: ageMs,
    lostRecords: 0,
    lossesPending: 0,
  };
  const streams = [
    told(edge, {
      ...{ head, cursor, backlogRecords, backlogBytes: backlogRecords * 100 },
      ...{ oldestAgeMs: ageMs, acceptedRecords: head + 1 },
    }),
  ];
  number += 1;
  return edge.heartbeat({ number, totals, streams, ...over });
}

const a = () => fleet.edge('factory-a')!;

describe('a site', () => {
  test('that is expected is never-seen until it says hello', async () => {
    expect(fleet.edges().map(({ alias, state }) => [alias, state])).toEqual([
      ['factory-a', 'never-seen'],
      ['factory-z', 'never-seen'],
    ]);
    expect(a().lag).toEqual({
      records: null,
      bytes: null,
      seconds: null,
      atLeast: true,
      asOf: null,
    });
    expect(a().counts).toEqual({ accepted: null, landed: 0, backlog: null, lost: 0 });
    await openEdge(world, 'factory-a');
    expect(a().state).toBe('live');
    expect(fleet.edge('nobody')).toBeUndefined();
  });

  test('counts as heard only by a committed heartbeat', async () => {
    const edge = await openEdge(world);
    expect(a()).toMatchObject({ lastHeartbeatAt: null, lag: { seconds: null, atLeast: true } });
    await beat(edge, -1, -1, null);
    expect(a()).toMatchObject({
      lastHeartbeatAt: epochMs,
      lag: { records: 0, seconds: 0, atLeast: false, asOf: epochMs },
      version: 'test 1.0',
      epoch: edge.epoch,
    });
  });

  test('is offline when no heartbeat came in time, and its lag grows meanwhile', async () => {
    const edge = await openEdge(world);
    await beat(edge, -1, -1, null);
    await world.pass(20_000);
    expect(a()).toMatchObject({ state: 'offline', lag: { seconds: 20, atLeast: true } });
    await world.pass(600_000);
    expect(a().lag.seconds).toBe(620);
    expect(a().stateSince).toBe(epochMs + 16_000);
  });

  test('lags by the age of what has not landed, and acknowledgements bring it down', async () => {
    const edge = await openEdge(world);
    await beat(edge, 9, -1, 60_000);
    expect(a()).toMatchObject({
      state: 'catching-up',
      lag: { records: 10, bytes: 1_000, seconds: 60, atLeast: false },
      counts: { accepted: 10, landed: 0, backlog: 10, lost: 0 },
    });
    await world.pass(1_000);
    // Its records were accepted at 1000 + sequence on its accept clock.
    await edge.segments([edge.segment(0, 5)], { 'tributary-clock': String(1_005 + 30_000) });
    expect(a()).toMatchObject({ lag: { records: 5, seconds: 30 }, counts: { landed: 5 } });
    await edge.segments([edge.segment(5, 5)], { 'tributary-clock': '40000' });
    expect(a()).toMatchObject({ state: 'live', lag: { records: 0, seconds: 0 } });
    expect(a().streams).toMatchObject([
      { remoteTopic: 'factory-a.sensor-data', head: 9, through: 9, oldestUnlandedAt: null },
    ]);
  });

  test('is stalled when its backlog has not moved for half a minute', async () => {
    const edge = await openEdge(world);
    for (let i = 0; i < 6; i++) {
      await beat(edge, 9, -1, 1_000 + i * 5_000);
      expect(a().state).not.toBe('stalled');
      await world.pass(5_000);
    }
    await beat(edge, 9, -1, 31_000);
    expect(a()).toMatchObject({ state: 'stalled', lag: { seconds: 31 } });
    await edge.segments([edge.segment(0, 1)]);
    expect(a().state).toBe('catching-up');
  });

  test('shows what a heartbeat says of its buffer, sources and clock', async () => {
    const edge = await openEdge(world);
    const sources = [
      { name: 'host', type: 'host', state: 'running', detail: 'fine', acceptedRecords: 7 },
    ];
    const buffer = { usedBytes: 100, maxBytes: 1_000, whenFull: 'block', blocked: true };
    await beat(edge, -1, -1, null, { sources, buffer, clock: epochMs + 90_000 });
    await world.pass(5_000);
    await beat(edge, -1, -1, null, { sources, buffer: { ...buffer, usedBytes: 200 } });
    expect(a()).toMatchObject({
      buffer: { usedBytes: 200, maxBytes: 1_000, etaFullSeconds: 40 },
      sources,
      clockOffsetSeconds: 0,
      alarms: [expect.stringMatching(/^blocked/)],
    });
  });

  test('has a rate over the last ten seconds', async () => {
    const edge = await openEdge(world);
    await world.pass(1_000);
    await edge.segments([edge.segment(0, 50)]);
    expect(a().rates.recordsPerSecond).toBe(5);
    expect(fleet.flows()[0]!.recordsPerSecond).toBe(5);
    await world.pass(11_000);
    expect(a().rates).toEqual({ recordsPerSecond: 0, bytesPerSecond: 0 });
  });

  test('is gone when it was removed, and never-seen when it is expected', async () => {
    const edge = await openEdge(world);
    await edge.segments([edge.segment(0, 5)]);
    await world.intake.admin.remove('factory-a');
    expect(a()).toMatchObject({ state: 'never-seen', counts: { landed: 0 }, streams: [] });
  });
});

describe('what could mislead', () => {
  test('a step of central’s clock changes neither lag nor state', async () => {
    const edge = await openEdge(world);
    await beat(edge, 9, -1, 60_000);
    world.clock.skew -= 3_600_000;
    await world.pass(2_000);
    expect(a()).toMatchObject({ state: 'catching-up', lag: { seconds: 62 } });
    world.clock.skew += 7_200_000;
    expect(a()).toMatchObject({ state: 'catching-up', lag: { seconds: 62 } });
  });

  test('after a restart lag is at least what was committed, until the next heartbeat', async () => {
    const edge = await openEdge(world);
    await edge.segments([edge.segment(0, 5)]);
    await beat(edge, 9, 4, 60_000);
    await restart(10_000);
    expect(a()).toMatchObject({
      state: 'catching-up',
      lag: { records: 5, seconds: 70, atLeast: true, asOf: epochMs },
      counts: { accepted: 10, landed: 5, backlog: 5, lost: 0 },
    });
    await beat(edge, 9, 9, null);
    expect(a().lag).toMatchObject({ seconds: 0, atLeast: false });
  });

  test('after a restart a site without a backlog is not at zero either', async () => {
    const edge = await openEdge(world);
    await beat(edge, -1, -1, null);
    await restart(60_000);
    expect(a()).toMatchObject({ state: 'offline', lag: { seconds: 60, atLeast: true } });
  });

  test('a backlog of streams that were not named counts, and shrinks with what lands', async () => {
    const edge = await openEdge(world);
    const totals = {
      ...{ acceptedRecords: 100, backlogRecords: 100, backlogBytes: 10_000 },
      ...{ oldestAgeMs: 30_000, lostRecords: 0, lossesPending: 0 },
    };
    await beat(edge, -1, -1, null, { totals, streams: [] });
    expect(a().lag).toMatchObject({ records: 100, bytes: 10_000, seconds: 30 });
    await edge.segments([edge.segment(0, 40)]);
    expect(a().lag).toMatchObject({ records: 60, bytes: 6_000, seconds: 30 });
  });

  test('what a site told of an epoch that it left does not stand in its way', async () => {
    const edge = await openEdge(world);
    await edge.segments([edge.segment(0, 5)]);
    await beat(edge, 25, 4, 60_000);
    const forked = new Edge(world, 'factory-a');
    Object.assign(forked, { epoch: '1'.repeat(32), session: '2'.repeat(32) });
    await forked.hello({
      previous: edge.session,
      streams: [forked.stream({ head: 20 }), edge.stream({ head: 4, cursor: 4, confirmed: 4 })],
    });
    expect(a().lag).toMatchObject({ records: 21, atLeast: true });
    await beat(forked, 20, -1, 60_000);
    await forked.segments([forked.segment(0, 21)]);
    expect(a()).toMatchObject({ lag: { records: 0, seconds: 0 }, alarms: [] });
    expect(a().counts).toEqual({ accepted: 26, landed: 26, backlog: 0, lost: 0 });
  });

  test('counts that do not fit together are an alarm, until they do', async () => {
    const edge = await openEdge(world);
    await edge.segments([edge.segment(0, 5), edge.loss(5, 2)]);
    const wrong = told(edge, { head: 6, cursor: 6, acceptedRecords: 8 });
    await beat(edge, 6, 6, null, { streams: [wrong] });
    expect(a().alarms).toContainEqual(
      'counts: sensor-data/0: 8 accepted, but 5 landed + 0 backlog + 2 lost',
    );
    await beat(edge, 6, 6, null, { streams: [{ ...wrong, acceptedRecords: 7 }] });
    expect(a().alarms.join()).not.toMatch(/counts/);
  });
});

describe('merged topics', () => {
  const flow = () => fleet.flows()[0]!;

  test('are complete through what no site holds back', async () => {
    const edge = await openEdge(world);
    await edge.segments([edge.segment(0, 5)]);
    await beat(edge, 4, 4, null);
    const late = await openEdge(world, 'factory-b');
    await late.segments([late.segment(0, 1)]);
    await beat(late, 9, 0, 60_000);
    await openEdge(world, 'factory-z');
    expect(flow()).toMatchObject({
      ...{ into: 'sensor-data', partitions: 1, records: 6 },
      ...{ watermark: epochMs - 60_000, heldBackBy: ['factory-b'] },
    });
    expect(flow().sources).toMatchObject([
      { alias: 'factory-a', topic: 'sensor-data', watermark: epochMs, state: 'live' },
      { alias: 'factory-b', remoteTopic: 'factory-b.sensor-data', watermark: epochMs - 60_000 },
    ]);
    await world.pass(60_000);
    expect(flow().watermark).toBe(epochMs - 60_000);
  });

  test('are held back by a site that is expected and never came', async () => {
    const edge = await openEdge(world);
    await edge.segments([edge.segment(0, 5)]);
    await beat(edge, 4, 4, null);
    expect(flow()).toMatchObject({ watermark: null, heldBackBy: ['factory-z'] });
    expect(flow().sources).toMatchObject([
      { alias: 'factory-a' },
      { alias: 'factory-z', topic: 'sensor-data', watermark: null, state: 'never-seen' },
    ]);
  });

  test('count a known loss as complete', async () => {
    await openEdge(world, 'factory-z');
    const edge = await openEdge(world);
    await beat(edge, 9, -1, 60_000);
    await edge.segments([edge.loss(0, 10)]);
    expect(flow()).toMatchObject({ watermark: epochMs, heldBackBy: ['factory-a'] });
  });

  test('are counted by the landing, after a restart and as time goes by', async () => {
    const edge = await openEdge(world);
    await edge.segments([edge.segment(0, 5)]);
    await restart(1_000);
    expect(flow()).toMatchObject({ records: 5, partitions: 1 });
    await edge.segments([edge.segment(5, 5)]);
    await world.pass(15_000);
    expect(flow().records).toBe(10);
  });

  test('are counted later where the landing cannot count them when central starts', async () => {
    const edge = await openEdge(world);
    await edge.segments([edge.segment(0, 5)]);
    fleet.close();
    world.restart();
    const { topics } = world.landing;
    world.landing.topics = () => Promise.reject(new LandingError('unavailable', 'no leader now'));
    await open();
    expect(a().counts.landed).toBe(5);
    world.landing.topics = topics;
    await world.pass(15_000);
    expect(flow()).toMatchObject({ records: 5, partitions: 1 });
  });
});

describe('what happened', () => {
  test('is told to those who listen, and kept for those who come later', async () => {
    const heard: string[] = [];
    const stop = fleet.subscribe(({ type, alias }) => heard.push(`${type} ${alias}`));
    const edge = await openEdge(world);
    await beat(edge, -1, -1, null);
    await world.pass(20_000);
    await edge.segments([edge.loss(0, 4, { reason: 'evicted' })]);
    await world.pass(6_000);
    stop();
    expect(heard).toEqual([
      'hello factory-a',
      'edge-state factory-a',
      'edge-state factory-a',
      'loss factory-a',
    ]);
    const events = fleet.events(0);
    expect(events.map(({ message }) => message)).toEqual([
      'session opened by test 1.0',
      'never-seen → live',
      'live → offline',
      '4 records of sensor-data were lost: evicted',
    ]);
    expect(fleet.events(events[1]!.id)).toEqual(events.slice(2));
  });

  test('stays an alarm for as long as a person should look', async () => {
    const edge = await openEdge(world);
    await beat(edge, -1, -1, null);
    await edge.segments([edge.loss(0, 4)]);
    await edge.segments([edge.segment(4, 1, { topic: 'x.internal' }), edge.loss(4, 6)]);
    expect(a().alarms).toEqual(['loss: 10 records were lost lately: evicted']);
    await edge.segments([edge.segment(0, 1, { topic: 'x.internal' })]);
    expect(a().alarms).toContainEqual(expect.stringMatching(/^refused: .*x\.internal.*bad-topic/));
    await world.pass(3_600_001);
    expect(a().alarms).toEqual([]);
  });

  test('is told once when it is the same again and again', async () => {
    const edge = await openEdge(world);
    for (let i = 0; i < 5; i++) await edge.segments([edge.segment(0, 1, { topic: 'x.internal' })]);
    expect(fleet.events(0).filter(({ type }) => type === 'refused')).toHaveLength(1);
  });

  test('a site that waits for adoption is shown, before it has a session', async () => {
    const edge = new Edge(world, 'newcomer');
    await edge.hello({ streams: [edge.stream({ head: 9, cursor: 9, confirmed: 9 })] });
    expect(fleet.edge('newcomer')).toMatchObject({
      state: 'never-seen',
      alarms: [expect.stringMatching(/^adopt-needed: /)],
    });
    await world.intake.admin.adopt('newcomer');
    await edge.hello({ streams: [edge.stream({ head: 9, cursor: 9, confirmed: 9 })] });
    expect(fleet.edge('newcomer')).toMatchObject({
      state: 'live',
      losses: { records: 10 },
      alarms: ['loss: 10 records were lost lately: central-rollback'],
    });
  });
});
