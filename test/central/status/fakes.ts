import type { EdgeView, FleetEvent, FlowView, StreamView } from '#central/fleet/views.ts';
import type { LandedRecord, Landing } from '#central/landing/landing.ts';
import type { GroupView, Mirror, TopicDrift } from '#central/mirror/mirror.ts';
import { createStatus, type FleetAdmin, type FleetReader } from '#central/status/status.ts';
import { silentLog } from '#shared/std/log.ts';
import { MachineClock, VirtualTime } from '../../sim/virtual-clock.ts';

/** A fleet and a landing that are told what to answer. */

export const epochMs = Date.parse('2026-01-31T08:00:00.000Z');

export const edgeView = (alias: string, over: Partial<EdgeView> = {}): EdgeView => ({
  alias,
  state: 'live',
  stateSince: epochMs - 60_000,
  lastHeartbeatAt: epochMs - 2_000,
  lag: { records: 12, bytes: 3_400, seconds: 1.5, atLeast: false, asOf: epochMs - 2_000 },
  rates: { recordsPerSecond: 40.5, bytesPerSecond: 9_000 },
  buffer: { usedBytes: 2_000_000, maxBytes: 10_000_000_000, etaFullSeconds: null },
  losses: { records: 0 },
  epoch: 'a'.repeat(32),
  version: '0.1.0',
  clockOffsetSeconds: -0.25,
  sources: [
    {
      name: 'mqtt:localhost:1883',
      type: 'mqtt',
      state: 'running',
      detail: 'subscribed to sensors/#',
      acceptedRecords: 1_012,
    },
  ],
  counts: { accepted: 1_012, landed: 1_000, backlog: 12, lost: 0 },
  alarms: [],
  ...over,
});

/** A site that was enrolled and never said a word. */
export const unseenView = (alias: string): EdgeView =>
  edgeView(alias, {
    state: 'never-seen',
    lastHeartbeatAt: null,
    lag: { records: null, bytes: null, seconds: null, atLeast: true, asOf: null },
    rates: { recordsPerSecond: 0, bytesPerSecond: 0 },
    buffer: { usedBytes: null, maxBytes: null, etaFullSeconds: null },
    epoch: null,
    version: null,
    clockOffsetSeconds: null,
    sources: [],
    counts: { accepted: null, landed: 0, backlog: null, lost: 0 },
  });

export const streamView = (over: Partial<StreamView> = {}): StreamView => ({
  epoch: 'a'.repeat(32),
  topic: 'sensor-data',
  partition: 0,
  remoteTopic: 'factory-a.sensor-data',
  head: 1_011,
  through: 999,
  backlog: { records: 12, bytes: 3_400 },
  oldestUnlandedAt: epochMs - 1_500,
  landedRecords: 1_000,
  lostRecords: 0,
  ...over,
});

export const flowView = (into: string, over: Partial<FlowView> = {}): FlowView => ({
  into,
  from: [`*.${into}`],
  external: false,
  partitions: 1,
  records: 1_000,
  recordsPerSecond: 40.5,
  watermark: epochMs - 1_500,
  heldBackBy: ['factory-a'],
  sources: [
    {
      alias: 'factory-a',
      topic: into,
      remoteTopic: `factory-a.${into}`,
      watermark: epochMs - 1_500,
      state: 'live',
      copy: null,
    },
  ],
  ...over,
});

export class FakeFleet implements FleetReader, FleetAdmin {
  views: EdgeView[] = [];
  streams: StreamView[] = [streamView()];
  flowViews: FlowView[] = [];
  ring: FleetEvent[] = [];
  readonly asked: string[] = [];
  readonly listeners = new Set<(event: FleetEvent) => void>();

  edges = () => this.views;
  flows = () => this.flowViews;
  edge(alias: string) {
    const found = this.views.find((view) => view.alias === alias);
    return found && { ...found, streams: this.streams };
  }
  events = (afterId: number) => this.ring.filter(({ id }) => id > afterId);
  subscribe(listener: (event: FleetEvent) => void) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  happen(event: Partial<FleetEvent>) {
    const id = (this.ring.at(-1)?.id ?? 0) + 1;
    const whole: FleetEvent = {
      id,
      at: epochMs,
      type: 'edge-state',
      alias: 'factory-a',
      message: 'is offline',
      ...event,
    };
    this.ring.push(whole);
    for (const listener of this.listeners) listener(whole);
  }
  adopt = async (alias: string) => void this.asked.push(`adopt ${alias}`);
  disable = async (alias: string) => void this.asked.push(`disable ${alias}`);
  enable = async (alias: string) => void this.asked.push(`enable ${alias}`);
  remove = async (alias: string) => void this.asked.push(`remove ${alias}`);
}

/** Only what the status API reads. */
const read: Partial<Landing> = {
  kind: 'embedded',
  centralId: 'c'.repeat(32),
  checkpoints: async () => [],
  losses: async () => [],
  topics: async () => [],
  records: async () => undefined,
  usage: async () => ({ usedBytes: 1_000, maxBytes: 2_000 }),
  probe: async () => {},
};

export const fakeLanding = (over: Partial<Landing> = {}) => ({ ...read, ...over }) as Landing;

export const landed = (offset: number, over: Partial<LandedRecord> = {}): LandedRecord => ({
  offset,
  timestamp: epochMs,
  key: Buffer.from('press-1'),
  value: Buffer.from('{"celsius":21.5}'),
  headers: [],
  ...over,
});

/** A partition that holds these records, read as the port promises. */
export const partitionOf =
  (topic: string, records: readonly LandedRecord[]): Landing['records'] =>
  async (asked, partition, offset, limit) => {
    if (asked !== topic || partition !== 0) return undefined;
    const rest = records.filter((record) => record.offset >= offset);
    const next = rest[limit]?.offset ?? null;
    return { records: rest.slice(0, limit), next };
  };

/** An authority that was replaced, with one site that has not renewed since. */
function fakeEnrolment(): NonNullable<Parameters<typeof createStatus>[0]['enrolment']> {
  const state = { pin: 'B'.repeat(43), pinBefore: 'A'.repeat(43), sitesBefore: ['factory-b'] };
  return {
    issueToken: async (alias) => ({ alias, token: 'x', expiresAt: epochMs }),
    enrolled: () => [],
    authority: () => state,
    rotateAuthority: () => Promise.reject(new RangeError('the one before was not retired yet')),
    retireAuthority: async (evenSo) => {
      if (evenSo) return { ...state, pinBefore: null, sitesBefore: [] };
      throw new RangeError('1 sites have not renewed since');
    },
  };
}

const groupView: GroupView = {
  ...{ alias: 'factory-a', group: 'line-dashboard', state: 'Stable', topic: 'x', partition: 0 },
  ...{ sourceOffset: 7, metadata: '', reportedAt: epochMs },
  remote: { topic: 'factory-a.x', offset: 5, exactness: 'exact' },
  earlier: [],
  merged: [{ topic: 'x', offset: 9, exactness: 'ahead' }],
};

const drift: TopicDrift = {
  ...{ alias: 'factory-a', topic: 'factory-a.x', what: 'retention', severity: 'warning' },
  ...{ site: '7', central: '5', meaning: 'kept shorter', change: 'retention.ms is set to 37' },
};

/**
 * Two groups; the second has nothing at central yet. A topic that has drifted, and whose backlog is
 * in danger where there is one.
 */
export const fakeMirror: Pick<Mirror, 'groups' | 'apply' | 'audit'> = {
  audit: async (alias = 'factory-a', backlogAge) => {
    if (alias !== 'factory-a') return { topics: [], drifts: [] };
    const age = backlogAge('factory-a', 'x');
    const danger: TopicDrift = {
      ...{ ...drift, what: 'backlog', severity: 'danger', site: null, change: null },
      meaning: `${age} ms old`,
    };
    return { topics: ['factory-a.x'], drifts: [...(age === null ? [] : [danger]), drift] };
  },
  groups: async (alias = 'factory-a') =>
    alias === 'factory-a'
      ? [groupView, { ...groupView, group: 'new', remote: null, merged: [] }]
      : [],
  apply: async (_alias, group) =>
    group === 'line-dashboard'
      ? { group, outcome: 'set', offsets: [{ topic: 'factory-a.x', partition: 0, offset: 5 }] }
      : { group, outcome: 'unknown', offsets: [] },
};

export function fakeStatus(
  over: Partial<Landing> = {},
  maxEventClients?: number,
  mirror?: typeof fakeMirror,
) {
  const fleet = new FakeFleet();
  const virtual = new VirtualTime();
  const clock = new MachineClock(virtual, epochMs);
  const { app, close } = createStatus({
    listen: '127.0.0.1:8080',
    landing: fakeLanding(over),
    mirror,
    fleet,
    clock,
    log: silentLog,
    version: '0.1.0',
    linkUrl: 'http://127.0.0.1:8443',
    maxEventClients,
    enrolment: fakeEnrolment(),
  });
  const pass = (ms: number) => {
    const until = virtual.now + ms;
    while (virtual.step(until));
  };
  const get = async (path: string) => {
    const response = await app.request(path);
    return { status: response.status, body: JSON.parse(await response.text()) };
  };
  return { app, fleet, close, pass, get };
}
