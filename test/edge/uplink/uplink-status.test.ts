import { afterEach, beforeEach, expect, test } from 'vitest';
import { Heartbeats } from '#edge/heartbeat.ts';
import { LinkClient } from '#edge/uplink/client.ts';
import { type Transport, TransportError } from '#edge/uplink/transport.ts';
import { Uplink } from '#edge/uplink/uplink.ts';
import { silentLog } from '#shared/std/log.ts';
import { decodeFrames } from '#shared/wire/frame.ts';
import { limits } from '#shared/wire/limits.ts';
import { type Hello, type HelloAccepted, linkPath } from '#shared/wire/link.ts';
import { type BufferHarness, delivery } from '../../contract/buffer.ts';
import { MachineClock, VirtualTime } from '../../sim/virtual-clock.ts';
import { memoryHarness } from '../buffer/buffer-harness.ts';
import { passing } from './passing.ts';

const time = new VirtualTime();
const clock = new MachineClock(time, 0);
let harness: BufferHarness;
let uplink: Uplink;
let heartbeats: Heartbeats;
/** What central does not do, by path: it says why, or (null) nothing at all. */
let failing: Map<string, string | null>;

const transport: Transport = {
  async post({ path, body }) {
    const why = failing.get(path);
    if (why === null) throw new TransportError('connect ECONNREFUSED');
    if (why === undefined) return said(200, answerTo(path, body as Uint8Array));
    return said(503, { error: { code: 'landing-full', message: why } }, { 'retry-after': '1' });
  },
  close() {},
};

const said = (status: number, body: unknown, headers = {}) => {
  return { status, headers, body: Buffer.from(JSON.stringify(body)) };
};

function answerTo(path: string, body: Uint8Array): unknown {
  if (path === linkPath.hello) {
    const { session } = JSON.parse(Buffer.from(body).toString()) as Hello;
    const accepted: HelloAccepted = {
      ...{ outcome: 'accepted', centralId: 'c'.repeat(32), session, clock: 0 },
      ...{ heartbeatIntervalMs: 5_000, limits, checkpoints: [] },
    };
    return accepted;
  }
  if (path !== linkPath.segments) return {};
  const acks = decodeFrames(body).flatMap((frame) => {
    if (frame.kind !== 'segment') return [];
    const { epoch, topic, partition, first, count } = frame;
    return [{ epoch, topic, partition, through: first + count - 1 }];
  });
  return { acks, verdicts: [] };
}

beforeEach(async () => {
  harness = await memoryHarness();
  failing = new Map();
  const client = new LinkClient({ transport, urls: ['http://central'], alias: 'factory-a' });
  const common = { buffer: harness.buffer, client, clock, log: silentLog, requestTimeoutMs: 5_000 };
  const who = { alias: 'factory-a', agent: 'test' };
  uplink = new Uplink({ ...common, ...who, random: () => 0.5, maxBytesPerSecond: null });
  heartbeats = new Heartbeats({
    ...{ ...common, ...who, uplink, sources: () => [] },
    disk: async () => ({ freeBytes: 1, totalBytes: 1 }),
  });
  uplink.start();
  heartbeats.start();
  await pass(1_000);
  expect(uplink.status()).toMatchObject({ state: 'connected', lastError: null });
});

afterEach(async () => {
  await Promise.all([uplink.stop(0), heartbeats.stop()]);
  await harness.dispose();
});

const pass = passing(() => time);

const full = 'the disk of central is full';

test('where central answers and cannot land, not even heartbeats, that is said, and since when', async () => {
  failing.set(linkPath.segments, full).set(linkPath.heartbeat, full);
  await pass(6_000);
  const { state, lastError, failingSince } = uplink.status();
  expect([state, lastError]).toEqual(['not-landing', full]);
  expect(failingSince).toBeGreaterThan(clock.now() - 6_000);
  await harness.buffer.append(delivery('orders', 'o0'));
  const seen = new Set<string>();
  for (let i = 0; i < 300; i++) {
    await pass(100);
    seen.add(uplink.status().state);
    expect(uplink.status()).toMatchObject({ lastError: full, failingSince });
  }
  expect([...seen]).toEqual(['not-landing']);
  failing.clear();
  await pass(10_000);
  const now = { state: 'connected', lastError: null, failingSince: null, nextAttemptAt: null };
  expect(uplink.status()).toMatchObject(now);
});

test('heartbeats that land do not hide that records do not', async () => {
  failing.set(linkPath.segments, full);
  await harness.buffer.append(delivery('orders', 'o0'));
  for (let i = 0; i < 200; i++) {
    await pass(100);
    expect(uplink.status()).toMatchObject({ state: 'not-landing', lastError: full });
  }
  failing.clear();
  await pass(5_000);
  expect(uplink.status()).toMatchObject({ state: 'connected', failingSince: null });
});

test('with nothing to send it is noticed all the same that central is gone, and is back', async () => {
  failing.set(linkPath.heartbeat, null);
  await pass(6_000);
  const gone = { state: 'waiting', lastError: 'connect ECONNREFUSED' };
  expect(uplink.status()).toMatchObject(gone);
  failing.clear();
  await pass(6_000);
  expect(uplink.status()).toMatchObject({ state: 'connected', lastError: null });
});

test('a central that cannot land the hello is told apart from one that does not answer', async () => {
  for (const path of Object.values(linkPath)) failing.set(path, full);
  uplink.lost(uplink.session!.session);
  await pass(3_000);
  expect(uplink.status()).toMatchObject({ state: 'not-landing', lastError: full });
  for (const path of Object.values(linkPath)) failing.set(path, null);
  await pass(15_000);
  expect(uplink.status()).toMatchObject({ state: 'waiting', lastError: 'connect ECONNREFUSED' });
});
