import type { EdgeView, FlowView } from '#central/fleet/views.ts';
import type { LandedRecord, Landing, TopicRow } from '#central/landing/landing.ts';
import { edgeView, FakeFleet, fakeLanding, landed, unseenView } from '../central/status/fakes.ts';

/** A fleet as one meets it in the field: most sites well, some not, each in its own way. */

const MiB = 2 ** 20;

const source = (name: string, type: string, detail: string, acceptedRecords: number) => ({
  name,
  type,
  state: 'running' as const,
  detail,
  acceptedRecords,
});

export function demoFleet(now: number): FakeFleet {
  const fleet = new FakeFleet();
  fleet.views = demoEdges(now);
  fleet.flowViews = demoFlows(now, fleet.views);
  const at = (secondsAgo: number) => now - secondsAgo * 1000;
  const happened = [
    { at: at(4_000), alias: 'plant-graz', type: 'hello', message: 'opened a session' },
    { at: at(1_900), alias: 'store-0412', type: 'edge-state', message: 'is stalled' },
    { at: at(1_880), alias: 'store-0412', type: 'loss', message: 'lost 1,204 records: evicted' },
    { at: at(252), alias: 'plant-linz', type: 'edge-state', message: 'is offline' },
    { at: at(95), alias: 'quarry-2', type: 'edge-state', message: 'is catching-up' },
  ] as const;
  for (const event of happened) fleet.happen(event);
  return fleet;
}

function demoEdges(now: number): EdgeView[] {
  const calm = (alias: string, rate: number, landed: number): EdgeView =>
    edgeView(alias, {
      stateSince: now - 5 * 3_600_000,
      lastHeartbeatAt: now - 2_000,
      lag: { records: 0, bytes: 0, seconds: 0, atLeast: false, asOf: now - 2_000 },
      rates: { recordsPerSecond: rate, bytesPerSecond: rate * 118 },
      buffer: { usedBytes: 3 * MiB, maxBytes: 10_240 * MiB, etaFullSeconds: null },
      counts: { accepted: landed, landed, backlog: 0, lost: 0 },
      sources: [
        source('mqtt:localhost:1883', 'mqtt', 'subscribed to sensors/+/temperature', landed - 900),
        source('host', 'host', 'CPU, memory, disk and network every 10 s', 900),
      ],
    });
  return [
    calm('plant-graz', 412, 1_804_211),
    calm('plant-wels', 388.4, 1_611_020),
    calm('store-0017', 0.4, 12_044),
    calm('store-0230', 1.2, 40_100),
    {
      ...calm('quarry-2', 2_840, 902_113),
      state: 'catching-up',
      stateSince: now - 95_000,
      lag: { records: 184_020, bytes: 21 * MiB, seconds: 640, atLeast: false, asOf: now - 1_000 },
      buffer: { usedBytes: 31 * MiB, maxBytes: 10_240 * MiB, etaFullSeconds: null },
      counts: { accepted: 1_086_133, landed: 902_113, backlog: 184_020, lost: 0 },
    },
    {
      ...calm('plant-linz', 0, 1_402_551),
      state: 'offline',
      stateSince: now - 252_000,
      lastHeartbeatAt: now - 267_000,
      lag: { records: 96, bytes: 11_400, seconds: 268, atLeast: true, asOf: now - 267_000 },
      counts: { accepted: 1_402_647, landed: 1_402_551, backlog: 96, lost: 0 },
    },
    {
      ...calm('store-0412', 0, 77_310),
      state: 'stalled',
      stateSince: now - 1_900_000,
      lag: { records: 5_120, bytes: 880_000, seconds: 1_930, atLeast: false, asOf: now - 3_000 },
      buffer: { usedBytes: 59 * MiB, maxBytes: 64 * MiB, etaFullSeconds: 5_400 },
      losses: { records: 1_204 },
      counts: { accepted: 83_634, landed: 77_310, backlog: 5_120, lost: 1_204 },
      alarms: ['adopt needed: central expects 412 records of pos-events that the site has dropped'],
    },
    { ...unseenView('store-0500'), stateSince: now - 86_400_000 },
  ];
}

function demoFlows(now: number, edges: readonly EdgeView[]): FlowView[] {
  const flow = (into: string, aliases: string[], holder: string[], secondsAgo: number | null) => ({
    into,
    from: [`*.${into}`],
    external: false,
    partitions: 3,
    records: 7_204_118,
    recordsPerSecond: 3_640,
    watermark: secondsAgo === null ? null : now - secondsAgo * 1_000,
    heldBackBy: holder,
    sources: edges
      .filter(({ alias }) => aliases.includes(alias))
      .map(({ alias, state }) => ({
        alias,
        topic: into,
        remoteTopic: `${alias}.${into}`,
        watermark: now - 2_000,
        state,
        copy: null,
      })),
  });
  const plants = ['plant-graz', 'plant-wels', 'plant-linz', 'quarry-2'];
  const stores = ['store-0017', 'store-0230', 'store-0412', 'store-0500'];
  return [
    flow('sensor-data', plants, ['quarry-2'], 640),
    flow('pos-events', stores, ['store-0412', 'store-0500'], null),
    flow('host', [...plants, 'store-0017'], ['plant-linz'], 268),
  ];
}

const topicRow = (topic: string, kind: TopicRow['kind'], records: number): TopicRow => ({
  topic,
  kind,
  partitions: [{ partition: 0, startOffset: 0, endOffset: records }],
  records,
});

export function demoLanding(over: Partial<Landing> = {}): Landing {
  const topics = [
    topicRow('sensor-data', 'merged', 7_204_118),
    topicRow('pos-events', 'merged', 129_454),
    topicRow('plant-graz.sensor-data', 'remote', 1_803_311),
    topicRow('plant-wels.sensor-data', 'remote', 1_610_120),
    topicRow('store-0412.pos-events', 'remote', 77_310),
    topicRow('tributary.losses', 'internal', 1),
  ];
  return fakeLanding({
    topics: async () => topics,
    usage: async () => ({ usedBytes: 2_310 * MiB, maxBytes: 51_200 * MiB }),
    records: async (topic, _partition, offset, limit) => {
      const end = topics.find((row) => row.topic === topic)?.records;
      if (end === undefined) return undefined;
      const records = Array.from({ length: Math.min(limit, end - offset) }, (_, n) =>
        demoRecord(offset + n),
      );
      return { records, next: offset + limit < end ? offset + limit : null };
    },
    ...over,
  });
}

const demoRecord = (offset: number): LandedRecord => ({
  offset,
  timestamp: 1_769_846_400_000 + offset,
  key: Buffer.from(`press-${offset % 7}`),
  value: Buffer.from(JSON.stringify({ celsius: 20 + (offset % 50) / 10, bar: 6.1 })),
  headers: [
    ['tributary.alias', Buffer.from('plant-graz')],
    ['tributary.sequence', Buffer.from(String(offset))],
  ],
});

/** Two topics, one of them named `payload`, with records that hold it everywhere. */
export function hostileLanding(payload: string): Landing {
  const bytes = Buffer.from(payload);
  const records = [
    landed(0, { key: bytes, value: bytes, headers: [[payload, bytes]] }),
    landed(1, { key: null, value: Buffer.concat([bytes, Buffer.from([0xff])]) }),
    landed(2, { value: Buffer.from(payload.repeat(2_000)) }),
  ];
  return demoLanding({
    topics: async () => [topicRow('plain', 'remote', 3), topicRow(payload, 'remote', 3)],
    records: async () => ({ records, next: null }),
  });
}
