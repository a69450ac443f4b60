import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BufferOptions, RecordBuffer } from '#edge/buffer/buffer.ts';
import type { Delivery } from '#edge/source/source.ts';
import { decodeFrames, type Frame, type LossFrame, type SegmentFrame } from '#shared/wire/frame.ts';
import { type StreamId, streamKey } from '#shared/wire/link.ts';
import type { WireRecord } from '#shared/wire/record.ts';
import { openBatch, stripProvenance } from '#shared/wire/record-batch.ts';
import { describeForks } from './buffer-forks.ts';
import { describeFull } from './buffer-full.ts';
import { describeIntake } from './buffer-intake.ts';
import { describeLosses } from './buffer-losses.ts';
import { describeOrigins } from './buffer-origins.ts';

/** One suite for every implementation of the buffer's door. */
export interface BufferHarness {
  buffer: RecordBuffer;
  readonly options: BufferOptions;
  /** An orderly restart, with other settings if given. */
  reopen(changes?: Partial<BufferOptions>): Promise<void>;
  /** As if the process had been killed. */
  crash(): Promise<void>;
  dispose(): Promise<void>;
}

export interface BufferAdapter {
  name: string;
  open(changes?: Partial<BufferOptions>): Promise<BufferHarness>;
}

export const record = (value: string, more: Partial<WireRecord> = {}): WireRecord => ({
  key: null,
  value: Buffer.from(value),
  headers: [],
  timestamp: 1_750_000_000_000,
  ...more,
});

export const delivery = (topic: string, ...values: string[]): Delivery => ({
  topic,
  records: values.map((value) => record(value)),
});

/** Everything that waits, as frames, in as many reads as it takes. */
export async function readAll(buffer: RecordBuffer, maxBytes = 1_000_000): Promise<Frame[]> {
  const from = new Map<string, number>();
  const frames: Frame[] = [];
  for (let more = true; more; ) {
    const batch = await buffer.read({ from, maxBytes });
    const decoded = decodeFrames(batch.body);
    expect(decoded.length).toBe(batch.frames.length);
    for (const frame of batch.frames) from.set(streamKey(frame), frame.first + frame.span);
    frames.push(...decoded);
    more = batch.more && batch.frames.length > 0;
  }
  return frames;
}

export const segments = (frames: readonly Frame[]): SegmentFrame[] =>
  frames.filter((frame) => frame.kind === 'segment');
export const losses = (frames: readonly Frame[]): LossFrame[] =>
  frames.filter((frame) => frame.kind === 'loss');
export const recordsOf = (frames: readonly Frame[]): WireRecord[] =>
  segments(frames).flatMap(({ batch }) => openBatch(batch).map(stripProvenance));
export const values = (frames: readonly Frame[]): string[] =>
  recordsOf(frames).map(({ value }) => String(value));

export const stream = (buffer: RecordBuffer, topic: string, partition = 0): StreamId => ({
  ...{ epoch: buffer.identity.epoch, topic, partition },
});

/** accepted = landed + backlog + lost, as far as one side can say it. */
export async function expectBalance(buffer: RecordBuffer, landed: number): Promise<void> {
  const { totals } = await buffer.report(0, 10_000);
  expect(totals.acceptedRecords).toBe(landed + totals.backlogRecords + totals.lostRecords);
}

export function describeBuffer(adapter: BufferAdapter): void {
  describe(`buffer, ${adapter.name}`, () => {
    let harness: BufferHarness;
    const context = {
      get buffer() {
        return harness.buffer;
      },
      reopen: (changes?: Partial<BufferOptions>) => harness.reopen(changes),
      crash: () => harness.crash(),
      async restart(changes: Partial<BufferOptions>) {
        await harness.dispose();
        harness = await adapter.open(changes);
      },
    };
    beforeEach(async () => {
      harness = await adapter.open();
    });
    afterEach(() => harness.dispose());
    describeIntake(context);
    describeReading(context);
    describeLosses(context);
    describeOrigins(context);
    describeFull(context);
    describeForks(context);
  });
}

export interface BufferContext {
  readonly buffer: RecordBuffer;
  reopen(changes?: Partial<BufferOptions>): Promise<void>;
  crash(): Promise<void>;
  /** Another buffer, with these settings. */
  restart(changes: Partial<BufferOptions>): Promise<void>;
}

function describeReading(context: BufferContext): void {
  test('a read holds no more than it may, but always one frame', async () => {
    const { buffer } = context;
    const large = 'x'.repeat(20_000);
    for (const topic of ['a', 'b']) {
      for (let i = 0; i < 3; i++) await buffer.append(delivery(topic, large + i));
    }
    const batch = await buffer.read({ from: new Map(), maxBytes: 1 });
    expect(batch.frames).toHaveLength(1);
    expect(batch.more).toBe(true);
    const frames = await readAll(buffer, 50_000);
    expect(values(frames)).toHaveLength(6);
  });

  test('streams take turns', async () => {
    const { buffer } = context;
    for (let i = 0; i < 4; i++) {
      for (const topic of ['a', 'b', 'c']) await buffer.append(delivery(topic, `${topic}${i}`));
    }
    const seen = (await readAll(buffer)).map(({ topic }) => topic);
    expect(new Set(seen.slice(0, 3))).toEqual(new Set(['a', 'b', 'c']));
    const first = await buffer.read({ from: new Map(), maxBytes: 1 });
    const second = await buffer.read({ from: new Map(), maxBytes: 1 });
    expect(second.frames[0]!.topic).not.toBe(first.frames[0]!.topic);
  });

  test('streams that are to wait are left out, the others go on', async () => {
    const { buffer } = context;
    for (const topic of ['a', 'b']) await buffer.append(delivery(topic, `${topic}0`));
    const except = new Set([streamKey(stream(buffer, 'a'))]);
    const some = await buffer.read({ from: new Map(), except, maxBytes: 1_000_000 });
    expect(values(decodeFrames(some.body))).toEqual(['b0']);
    expect(some.more).toBe(false);
    expect(values(await readAll(buffer))).toHaveLength(2);
  });

  test('reading deletes nothing, acknowledging does', async () => {
    const { buffer } = context;
    await buffer.append(delivery('t', 'a', 'b', 'c'));
    expect(values(await readAll(buffer))).toEqual(['a', 'b', 'c']);
    expect(values(await readAll(buffer))).toEqual(['a', 'b', 'c']);
    await buffer.acknowledge([{ ...stream(buffer, 't'), through: 2 }]);
    expect(await readAll(buffer)).toEqual([]);
    expect((await buffer.report(0, 10)).totals).toMatchObject({
      ...{ acceptedRecords: 3, backlogRecords: 0, backlogBytes: 0, lostRecords: 0 },
      oldestAgeMs: null,
    });
  });

  test('the cursor never moves backwards, nor beyond what was appended', async () => {
    const { buffer } = context;
    await buffer.append(delivery('t', 'a', 'b', 'c', 'd'));
    const id = stream(buffer, 't');
    await buffer.acknowledge([{ ...id, through: 2 }]);
    await buffer.acknowledge([{ ...id, through: 0 }]);
    await buffer.acknowledge([{ ...id, topic: 'unknown', through: 5 }]);
    expect(await buffer.helloStreams()).toMatchObject([{ head: 3, cursor: 2 }]);
    expect(values(await readAll(buffer))).toEqual(['d']);
    await buffer.acknowledge([{ ...id, through: 99 }]);
    expect(await buffer.helloStreams()).toMatchObject([{ head: 3, cursor: 3 }]);
    await expectBalance(buffer, 4);
  });

  test('an acknowledgement inside a segment leaves its rest, sealed for itself', async () => {
    const { buffer } = context;
    await buffer.append(delivery('t', 'a', 'b', 'c', 'd'));
    await buffer.acknowledge([{ ...stream(buffer, 't'), through: 1 }]);
    const [frame] = segments(await readAll(buffer));
    expect(frame).toMatchObject({ first: 2, count: 2 });
    const sequences = openBatch(frame!.batch).map(({ headers }) => String(headers.at(-1)![1]));
    expect(sequences).toEqual(['2', '3']);
    await expectBalance(buffer, 2);
  });

  test('a read goes on from where it is told, also inside a segment', async () => {
    const { buffer } = context;
    await buffer.append(delivery('t', 'a', 'b', 'c', 'd'));
    const key = streamKey(stream(buffer, 't'));
    const batch = await buffer.read({ from: new Map([[key, 3]]), maxBytes: 1e6 });
    expect(batch.frames).toMatchObject([{ first: 3, span: 1 }]);
    expect(values(decodeFrames(batch.body))).toEqual(['d']);
  });

  test('a cut makes a boundary and loses nothing', async () => {
    const { buffer } = context;
    await buffer.append(delivery('t', 'a', 'b', 'c', 'd', 'e'));
    const id = stream(buffer, 't');
    await buffer.cut(id, 2);
    await buffer.cut(id, 2);
    await buffer.cut(id, 99);
    const frames = segments(await readAll(buffer));
    expect(frames.map(({ first, count }) => [first, count])).toEqual([
      [0, 2],
      [2, 3],
    ]);
    expect(values(frames)).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('a report tells what changed, and a bounded number of it', async () => {
    const { buffer } = context;
    for (const topic of ['a', 'b', 'c']) await buffer.append(delivery(topic, 'x'));
    const first = await buffer.report(0, 2);
    expect(first.streams.map(({ topic }) => topic)).toEqual(['a', 'b']);
    expect(first.more).toBe(true);
    const second = await buffer.report(first.version, 2);
    expect(second.streams.map(({ topic }) => topic)).toEqual(['c']);
    expect(second.more).toBe(false);
    expect((await buffer.report(second.version, 2)).streams).toEqual([]);
    await buffer.append(delivery('a', 'y'));
    const third = await buffer.report(second.version, 2);
    expect(third.streams).toMatchObject([{ topic: 'a', head: 1, acceptedRecords: 2 }]);
  });

  test('who waits for records is told after the commit', async () => {
    const { buffer } = context;
    let told = 0;
    const stop = buffer.onAppended(() => {
      told += 1;
    });
    await buffer.append(delivery('t', 'a'));
    expect(told).toBe(1);
    stop();
    await buffer.append(delivery('t', 'b'));
    expect(told).toBe(1);
  });

  test('small segments become large ones while they wait', async () => {
    const { buffer } = context;
    const all = Array.from({ length: 600 }, (_, i) => `value ${i}`);
    for (const value of all) await buffer.append(delivery('t', value));
    const frames = await readAll(buffer);
    expect(values(frames)).toEqual(all);
    expect(frames.length).toBeLessThan(60);
    await expectBalance(buffer, 0);
  });

  test('closing twice is closing once, and then nothing is taken', async () => {
    const { buffer } = context;
    await buffer.append(delivery('t', 'a'));
    await buffer.probe();
    await buffer.close();
    await buffer.close();
    await expect(buffer.append(delivery('t', 'b'))).rejects.toMatchObject({ code: 'closed' });
  });
}
