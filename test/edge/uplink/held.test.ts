import { afterEach, beforeEach, expect, test } from 'vitest';
import { BatchSize } from '#edge/uplink/batch-size.ts';
import { LinkClient } from '#edge/uplink/client.ts';
import { HeldStreams } from '#edge/uplink/held-streams.ts';
import { Pump } from '#edge/uplink/pump.ts';
import type { Transport } from '#edge/uplink/transport.ts';
import { decodeFrames } from '#shared/wire/frame.ts';
import type { SegmentsAnswer } from '#shared/wire/link.ts';
import { type BufferHarness, delivery } from '../../contract/buffer.ts';
import { MachineClock, VirtualTime } from '../../sim/virtual-clock.ts';
import { memoryHarness } from '../buffer/buffer-harness.ts';
import { passing } from './passing.ts';

const time = new VirtualTime();
const clock = new MachineClock(time, 0);
let harness: BufferHarness;
let held: HeldStreams;
let stop: AbortController;
let running: Promise<unknown>;
/** Central cannot take these. */
let refused: Set<string>;
/** Topics of each request. */
let asked: string[][];

const transport: Transport = {
  async post({ body }) {
    const frames = decodeFrames(body as Uint8Array);
    asked.push(frames.map(({ topic }) => topic));
    const acks = new Map<string, SegmentsAnswer['acks'][number]>();
    const verdicts: SegmentsAnswer['verdicts'] = [];
    for (const [index, frame] of frames.entries()) {
      const { epoch, topic, partition } = frame;
      if (frame.kind !== 'segment') continue;
      const through = frame.first + frame.count - 1;
      if (refused.has(topic)) verdicts.push({ index, verdict: 'held', message: 'not now' });
      else acks.set(topic, { epoch, topic, partition, through });
    }
    const answer: SegmentsAnswer = { acks: [...acks.values()], verdicts };
    return { status: 200, headers: {}, body: Buffer.from(JSON.stringify(answer)) };
  },
  close() {},
};

beforeEach(async () => {
  harness = await memoryHarness();
  held = new HeldStreams(() => 0.5);
  stop = new AbortController();
  refused = new Set();
  asked = [];
  const size = { min: 1_000, max: 100_000, start: 100_000, targetMs: 1_000, patienceMs: 1_000 };
  const pump = new Pump({
    ...{ buffer: harness.buffer, clock, held, cap: undefined, size: new BatchSize(size) },
    client: new LinkClient({ transport, urls: ['http://central'], alias: 'factory-a' }),
    onAnswer: () => {},
  });
  running = pump.run('5'.repeat(32), stop.signal).catch(() => {});
});

afterEach(async () => {
  stop.abort(new Error('over'));
  await running;
  await harness.dispose();
});

const pass = passing(() => time);

const backlog = async () => (await harness.buffer.report(0, 1)).totals.backlogRecords;

test('a stream that central holds waits half a minute; the others go on meanwhile', async () => {
  refused.add('bad');
  await harness.buffer.append(delivery('bad', 'b0'));
  await harness.buffer.append(delivery('good', 'g0'));
  await pass(10);
  expect(await backlog()).toBe(1);
  expect(held.reasons).toEqual(['bad/0: not now']);
  await harness.buffer.append(delivery('good', 'g1'));
  await harness.buffer.append(delivery('bad', 'b1'));
  await pass(20_000);
  expect(await backlog()).toBe(2);
  expect(asked.slice(1).flat()).not.toContain('bad');
  refused.clear();
  await pass(15_000);
  expect(await backlog()).toBe(0);
  expect(held.reasons).toEqual([]);
});

test('many streams that are held do not put the session in doubt', async () => {
  for (let i = 0; i < 30; i++) {
    refused.add(`bad-${i}`);
    await harness.buffer.append(delivery(`bad-${i}`, 'b'.repeat(20_000)));
  }
  await pass(100_000);
  await harness.buffer.append(delivery('good', 'g0'));
  await pass(10);
  expect(await backlog()).toBe(30);
  // Once at first, and then about every thirty seconds.
  expect(asked.flat().filter((topic) => topic === 'bad-7').length).toBeLessThanOrEqual(5);
});
