import { beforeEach, describe, expect, test } from 'vitest';
import { openFleet } from '#central/fleet/open-fleet.ts';
import type { CopyView } from '#central/landing/landing.ts';
import { openMerge } from '#central/merge/merge.ts';
import { silentLog } from '#shared/std/log.ts';
import { type Edge, openEdge } from '../intake/edge.ts';
import { epochMs, World } from '../intake/world.ts';

const flows = [{ into: 'sensor-data', from: ['*.sensor-data'] }];
let world: World;
let copies: CopyView[];

beforeEach(() => {
  world = new World({ flows });
  copies = [];
});

const copy = (over: Partial<CopyView> = {}): CopyView => ({
  ...{ into: 'orders', from: 'plant-b.orders', alias: 'plant-b', topic: 'orders', own: false },
  ...{ records: 10, behind: 0, completeAt: world.clock.monotonic(), trouble: null },
  movedAt: world.clock.monotonic(),
  ...over,
});

/** The world's landing, with copies as told. */
async function open() {
  const landing = Object.assign(world.landing, { copies: () => copies });
  const fleet = await openFleet({
    ...{ landing, clock: world.clock, log: silentLog, merge: openMerge(flows), expect: [] },
    external: [{ into: 'orders', from: ['*.orders'] }],
    ...{ offlineAfterMs: 15_000, stalledAfterMs: 30_000 },
  });
  world.tell(fleet);
  return fleet;
}

describe('a flow of topics that others write', () => {
  test('shows its sources, what came of each, and how far behind it is', async () => {
    const fleet = await open();
    const flow = () => fleet.flows().find(({ into }) => into === 'orders')!;
    expect(flow()).toMatchObject({ external: true, sources: [], watermark: null, records: 0 });
    copies = [copy()];
    expect(flow().sources).toEqual([
      {
        ...{ alias: 'plant-b', topic: 'orders', remoteTopic: 'plant-b.orders', state: 'live' },
        ...{ watermark: epochMs, copy: { records: 10, behind: 0, trouble: null } },
      },
    ]);
    expect(flow()).toMatchObject({ watermark: epochMs, heldBackBy: ['plant-b'] });
  });

  test('has the rate at which it is copied', async () => {
    const fleet = await open();
    copies = [copy({ records: 10 })];
    await world.pass(1_000);
    copies = [copy({ records: 60 })];
    await world.pass(1_000);
    const flow = fleet.flows().find(({ into }) => into === 'orders')!;
    expect(flow).toMatchObject({ recordsPerSecond: 5, records: 50 });
  });

  test('stays complete through what was copied while a copy stands still, and says why', async () => {
    const fleet = await open();
    copies = [copy({ behind: 7 })];
    await world.pass(20_000);
    const source = () => fleet.flows().find(({ into }) => into === 'orders')!.sources[0]!;
    expect(source()).toMatchObject({ state: 'catching-up', watermark: epochMs });
    await world.pass(20_000);
    expect(source()).toMatchObject({ state: 'stalled', watermark: epochMs });
    copies = [copy({ behind: 7, trouble: 'the topic cannot be made' })];
    expect(source()).toMatchObject({ state: 'stalled', copy: { behind: 7 } });
    await world.pass(3_000);
    expect(fleet.events(0).filter(({ type }) => type === 'flow')).toMatchObject([
      {
        alias: 'plant-b',
        message: 'the copy of plant-b.orders into orders stands still: the topic cannot be made',
      },
    ]);
  });
});

test('a site is complete through nothing while its past has yet to come into a flow', async () => {
  const fleet = await open();
  const edge: Edge = await openEdge(world);
  await edge.segments([edge.segment(0, 5)]);
  await edge.heartbeat({});
  const flow = () => fleet.flows().find(({ into }) => into === 'sensor-data')!;
  expect(flow().watermark).not.toBeNull();
  const past = { into: 'sensor-data', from: 'factory-a.sensor-data', alias: 'factory-a' };
  copies = [copy({ ...past, topic: 'sensor-data', own: true, behind: 3, completeAt: null })];
  expect(flow()).toMatchObject({ watermark: null, heldBackBy: ['factory-a'] });
  expect(flow().sources[0]!.copy).toEqual({ records: 10, behind: 3, trouble: null });
  copies = [];
  expect(flow().watermark).not.toBeNull();
});
