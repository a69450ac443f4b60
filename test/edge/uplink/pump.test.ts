import { afterEach, beforeEach, expect, test } from 'vitest';
import { BatchSize } from '#edge/uplink/batch-size.ts';
import { LinkClient } from '#edge/uplink/client.ts';
import { HeldStreams } from '#edge/uplink/held-streams.ts';
import { Pump } from '#edge/uplink/pump.ts';
import type { Transport } from '#edge/uplink/transport.ts';
import { systemClock } from '#shared/std/clock.ts';
import { decodeFrames } from '#shared/wire/frame.ts';
import { type BufferHarness, delivery } from '../../contract/buffer.ts';
import { memoryHarness } from '../buffer/buffer-harness.ts';

const session = '5'.repeat(32);
let harness: BufferHarness;
let pump: Pump;
let stop: AbortController;
let requests: number;
/** Done before the first request is answered. */
let meanwhile: () => Promise<unknown>;
/** What an acknowledgement waits for before it is done. */
let gate: Promise<void>;

const transport: Transport = {
  async post({ body }) {
    requests += 1;
    if (requests === 1) await meanwhile();
    const acks = decodeFrames(body as Uint8Array).flatMap((frame) => {
      if (frame.kind !== 'segment') return [];
      const { epoch, topic, partition, first, count } = frame;
      return [{ epoch, topic, partition, through: first + count - 1 }];
    });
    const answer = { acks, verdicts: [] };
    return { status: 200, headers: {}, body: Buffer.from(JSON.stringify(answer)) };
  },
  close() {},
};

beforeEach(async () => {
  harness = await memoryHarness();
  stop = new AbortController();
  requests = 0;
  meanwhile = async () => {};
  gate = Promise.resolve();
  const { buffer } = harness;
  const size = { min: 1_000, max: 100_000, start: 100_000, targetMs: 1_000, patienceMs: 1_000 };
  pump = new Pump({
    buffer: {
      ...{ identity: buffer.identity, append: buffer.append.bind(buffer) },
      ...{ read: buffer.read.bind(buffer), onAppended: buffer.onAppended.bind(buffer) },
      acknowledge: (acks) => gate.then(() => buffer.acknowledge(acks)),
    } as typeof buffer,
    ...{ clock: systemClock, held: new HeldStreams(() => 0.5), cap: undefined },
    ...{ size: new BatchSize(size), onAnswer: () => {} },
    client: new LinkClient({ transport, urls: ['http://central'], alias: 'factory-a' }),
  });
});

afterEach(async () => {
  stop.abort(new Error('over'));
  await harness.dispose();
});

const settled = async () => {
  for (let i = 0; i < 50; i++) await new Promise(setImmediate);
};
const backlog = async () => (await harness.buffer.report(0, 1)).totals.backlogRecords;

test('nothing more is sent while an acknowledgement is not in the buffer yet', async () => {
  let open = () => {};
  gate = new Promise((resolve) => {
    open = resolve;
  });
  meanwhile = () => harness.buffer.append(delivery('t', 'b'));
  await harness.buffer.append(delivery('t', 'a'));
  const running = pump.run(session, stop.signal).catch(() => {});
  await settled();
  expect([requests, await backlog()]).toEqual([1, 2]);
  open();
  await settled();
  expect([requests, await backlog()]).toEqual([2, 0]);
  stop.abort(new Error('over'));
  await running;
});

test('an acknowledgement that fails ends the run, and the next run carries on', async () => {
  gate = Promise.reject(new Error('the disk is gone'));
  gate.catch(() => {});
  await harness.buffer.append(delivery('t', 'a'));
  await expect(pump.run(session, stop.signal)).rejects.toThrow('the disk is gone');
  gate = Promise.resolve();
  const running = pump.run(session, stop.signal).catch(() => {});
  await settled();
  expect(await backlog()).toBe(0);
  stop.abort(new Error('over'));
  await running;
});
