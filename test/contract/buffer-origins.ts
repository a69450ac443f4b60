import { describe, expect, test } from 'vitest';
import type { Delivery } from '#edge/source/source.ts';
import { batchHeaderBytes } from '#shared/wire/batch-layout.ts';
import type { SegmentFrame } from '#shared/wire/frame.ts';
import { sealBatch } from '#shared/wire/record-batch.ts';
import type { RecordRun } from '#shared/wire/record-run.ts';
import {
  type BufferContext,
  delivery,
  expectBalance,
  losses,
  readAll,
  record,
  segments,
  stream,
  values,
} from './buffer.ts';

const [first, second] = ['1'.repeat(32), '2'.repeat(32)];

/** Records whose value is their offset. */
const numbered = (incarnation: string, ...offsets: number[]): Delivery => ({
  ...{ topic: 't', incarnation },
  records: offsets.map((offset) => ({ ...record(String(offset)), sourceOffset: offset })),
});

/** Offset and life of each record, as the frames say. */
const places = (frames: readonly SegmentFrame[]): [number, string][] =>
  frames.flatMap(({ runs }) =>
    runs.flatMap(({ sourceOffset, count, incarnation }) =>
      Array.from({ length: count }, (_, i): [number, string] => [sourceOffset + i, incarnation]),
    ),
  );

/** Where records stood at a source that numbers them. */
export function describeOrigins(context: BufferContext): void {
  test('frames say where their records stood at the source, holes and lives kept apart', async () => {
    const { buffer } = context;
    await buffer.append(numbered(first, 5, 6, 9));
    await buffer.append(numbered(second, 0, 1));
    const frames = segments(await readAll(buffer));
    expect(places(frames)).toEqual([
      ...[5, 6, 9].map((offset) => [offset, first]),
      ...[0, 1].map((offset) => [offset, second]),
    ]);
    expect(frames[0]!.runs).toEqual([
      { sequence: 0, sourceOffset: 5, count: 2, incarnation: first },
      { sequence: 2, sourceOffset: 9, count: 1, incarnation: first },
    ]);
  });

  test('a place at the source survives a restart, merging, cutting and a new epoch', async () => {
    const offsets = Array.from({ length: 60 }, (_, i) => i * 2);
    for (const offset of offsets) await context.buffer.append(numbered(first, offset));
    await context.crash();
    const merged = segments(await readAll(context.buffer));
    expect(merged.length).toBeLessThan(30);
    expect(places(merged).map(([offset]) => offset)).toEqual(offsets);
    await context.buffer.cut(stream(context.buffer, 't'), 7);
    await context.buffer.acknowledge([{ ...stream(context.buffer, 't'), through: 4 }]);
    const rest = () => readAll(context.buffer).then(segments);
    expect(places(await rest()).map(([offset]) => offset)).toEqual(offsets.slice(5));
    await context.buffer.fork({ scope: 'all', keep: [] });
    const moved = await rest();
    expect(moved[0]!.first).toBe(0);
    expect(places(moved)).toEqual(offsets.slice(5).map((offset) => [offset, first]));
    expect(values(moved)).toEqual(offsets.slice(5).map(String));
  });

  test('records without a place share no segment with those that have one', async () => {
    const { buffer } = context;
    for (let i = 0; i < 40; i++) {
      await buffer.append(i % 20 < 10 ? delivery('t', `w${i}`) : numbered(first, i));
    }
    await Promise.all([buffer.append(delivery('t', 'w')), buffer.append(numbered(first, 99))]);
    const frames = segments(await readAll(buffer));
    for (const frame of frames) {
      const withPlace = values([frame]).filter((value) => !value.startsWith('w'));
      expect(places([frame]).map(([offset]) => String(offset))).toEqual(withPlace);
      expect([0, frame.count]).toContain(withPlace.length);
    }
    expect(values(frames)).toHaveLength(42);
  });

  test('records that nobody opened are kept as they were, with their places', async () => {
    const { buffer } = context;
    const texts = (from: number, count: number) =>
      Array.from({ length: count }, (_, i) => `${from + i} ${'x'.repeat(90)}`);
    const run = (from: number, count: number): RecordRun => {
      const batch = sealBatch(
        texts(from, count).map((text) => record(text)),
        { compression: 'none' },
      );
      const bytes = batch.subarray(batchHeaderBytes);
      return { bytes, count, baseTimestamp: 1_750_000_000_000, timestamp: null, baseOffset: from };
    };
    const unopened = (...runs: RecordRun[]): Delivery => ({
      ...{ topic: 't', records: [], incarnation: first, partitions: 2 },
      runs: { partition: 1, runs },
    });
    // More than a segment holds, between records that were opened; in one commit, and after it.
    const delivered = await Promise.all([
      buffer.append({ ...numbered(first, 0), runs: { partition: 0, runs: [run(1, 3)] } }),
      buffer.append(unopened(run(10, 9_000), run(9_500, 4_000))),
    ]);
    expect(delivered.map(({ accepted }) => accepted)).toEqual([4, 13_000]);
    for (let i = 0; i < 40; i++) await buffer.append(unopened(run(20_000 + i, 1)));
    await context.crash();
    const frames = segments(await readAll(context.buffer));
    const [mixed, rest] = [0, 1].map((partition) =>
      frames.filter((frame) => frame.partition === partition),
    );
    expect(values(mixed!)).toEqual(['0', ...texts(1, 3)]);
    expect(places(mixed!).map(([offset]) => offset)).toEqual([0, 1, 2, 3]);
    const all = [...texts(10, 9_000), ...texts(9_500, 4_000), ...texts(20_000, 40)];
    expect(values(rest!)).toEqual(all);
    expect(places(rest!)).toEqual(all.map((text) => [Number(text.split(' ')[0]), first]));
    expect(Math.max(...rest!.map(({ count }) => count))).toBeLessThanOrEqual(10_000);
    expect(rest!.length).toBeLessThan(30);
  });

  test('an offset without a life, or that is none, is not passed on', async () => {
    const { buffer } = context;
    const { records } = numbered(first, 3);
    await buffer.append({ topic: 't', records });
    await buffer.append({ topic: 't', records, incarnation: 'not one' });
    await buffer.append({ ...numbered(first, -1) });
    const frames = segments(await readAll(buffer));
    expect(frames.flatMap(({ runs }) => runs)).toEqual([]);
    expect(values(frames)).toHaveLength(3);
  });

  test('the count of partitions follows the source, never down, over restarts', async () => {
    const counts = async () =>
      (await readAll(context.buffer)).map(({ partitionCount }) => partitionCount);
    await context.buffer.append({ ...numbered(first, 0), partitions: 6 });
    expect(await counts()).toEqual([6]);
    await context.buffer.append({ ...numbered(first, 1), partitions: 4 });
    await context.crash();
    expect(new Set(await counts())).toEqual(new Set([6]));
    expect(await context.buffer.helloStreams()).toMatchObject([
      { partition: 0, head: 1 },
      { partition: 5, head: -1, cursor: -1 },
    ]);
  });

  test('a loss at the source stands in the partition that had it', async () => {
    const { buffer } = context;
    const sourceLoss = { records: 17, detail: 'deleted by retention', partition: 3 };
    await buffer.append({ topic: 't', records: [], sourceLoss, partitions: 4 });
    expect(losses(await readAll(buffer))).toMatchObject([
      { partition: 3, loss: { records: 17, scope: 'source', reason: 'source-gap' } },
    ]);
  });

  describe('what has landed through another buffer', () => {
    const landed = (next: number, incarnation = first) => [
      { topic: 't', partition: 0, incarnation, next },
    ];
    const offsets = async () =>
      places(segments(await readAll(context.buffer))).map(([offset]) => offset);

    test('goes in the fork that tells it, at the beginning of what moves', async () => {
      const { buffer } = context;
      await buffer.append(numbered(first, 5, 6, 7, 8, 9));
      await buffer.append({ ...delivery('t'), sourceLoss: { records: 2, detail: 'x' } });
      await buffer.append(numbered(first, 12, 13));
      await buffer.append(delivery('t', 'w'));
      await buffer.fork({ scope: 'all', keep: [], sources: landed(13), sourcesAt: 7 });
      expect(buffer.identity.sourcesAt).toBe(7);
      expect(await offsets()).toEqual([13]);
      const frames = await readAll(buffer);
      expect(frames.map((frame) => frame.kind)).toEqual(['segment', 'segment']);
      expect(segments(frames).map(({ first }) => first)).toEqual([0, 1]);
      await expectBalance(buffer, 0);
      await context.crash();
      expect(context.buffer.identity.sourcesAt).toBe(7);
      expect(await offsets()).toEqual([13]);
      await context.buffer.acknowledge([{ ...stream(context.buffer, 't'), through: 1 }]);
      await expectBalance(context.buffer, 2);
    });

    test('goes from between what came from elsewhere: that stays, and every loss of it', async () => {
      const { buffer } = context;
      await buffer.append(delivery('t', 'a'));
      await buffer.append(numbered(first, 5, 6));
      await buffer.append(delivery('t', 'b', 'c'));
      await buffer.refuse(stream(buffer, 't'), 0, 'bad-crc', 'x');
      await buffer.append(numbered(first, 7, 8));
      await buffer.append(delivery('t', 'd'));
      await buffer.fork({ scope: 'all', keep: [], sources: landed(8), sourcesAt: 1 });
      await expectBalance(buffer, 0);
      await context.crash();
      const frames = await readAll(context.buffer);
      expect(losses(frames)).toMatchObject([{ loss: { first: 0, records: 1, reason: 'refused' } }]);
      expect(values(segments(frames))).toEqual(['b', 'c', '8', 'd']);
      expect(segments(frames).map(({ first }) => first)).toEqual([1, 3, 4]);
      const through = segments(frames).at(-1)!.first;
      await context.buffer.acknowledge([{ ...stream(context.buffer, 't'), through }]);
      await expectBalance(context.buffer, 4);
    });

    test('is none where a log was cut back, and what its offsets meant before had landed', async () => {
      const { buffer } = context;
      await buffer.append(numbered(first, 5, 6, 7));
      await buffer.append(numbered(first, 6, 7));
      await buffer.fork({ scope: 'all', keep: [], sources: landed(8), sourcesAt: 1 });
      expect(await offsets()).toEqual([6, 7]);
    });

    test('goes whole where all of it has landed, and what comes then begins anew', async () => {
      const { buffer } = context;
      await buffer.append(numbered(first, 5, 6));
      await buffer.fork({ scope: 'all', keep: [], sources: landed(40), sourcesAt: 1 });
      expect(await readAll(buffer)).toEqual([]);
      await expectBalance(buffer, 0);
      await buffer.append(numbered(first, 40, 41));
      expect(segments(await readAll(buffer))).toMatchObject([{ first: 0, count: 2 }]);
      await expectBalance(buffer, 0);
    });

    test('stays of another life of its topic, and behind what has not landed', async () => {
      const { buffer } = context;
      await buffer.append(numbered(second, 0, 1));
      await buffer.append(numbered(first, 5, 6));
      await buffer.fork({ scope: 'all', keep: [], sources: landed(6), sourcesAt: 1 });
      expect(await offsets()).toEqual([0, 1, 5, 6]);
    });

    test('is not taken when it is delivered again: the source is told where to go on', async () => {
      await context.buffer.fork({ scope: 'all', keep: [], sources: landed(6), sourcesAt: 1 });
      await context.crash();
      const { buffer } = context;
      const positions = { set: new Map([['s/at', Buffer.from('1')]]) };
      const from = (offset: number, incarnation = first) => ({
        ...numbered(incarnation, offset, offset + 1),
        ...{ from: { partition: 0, offset }, positions },
      });
      expect(await buffer.append(from(5))).toEqual({
        ...{ accepted: 0, declaredLost: 0, duplicate: false, landedTo: 6 },
      });
      expect((await buffer.positions('s/')).size).toBe(0);
      expect(await buffer.append(from(5, second))).toMatchObject({ accepted: 2 });
      expect(await buffer.append(from(6))).toEqual({
        ...{ accepted: 2, declaredLost: 0, duplicate: false },
      });
    });

    test('is new again where the log was cut back', async () => {
      const { buffer } = context;
      await buffer.fork({ scope: 'all', keep: [], sources: landed(6), sourcesAt: 1 });
      const at = { partition: 0, offset: 3 };
      await buffer.append({ topic: 't', records: [], incarnation: first, cutBack: at });
      expect(await buffer.append({ ...numbered(first, 3), from: at })).toMatchObject({
        accepted: 1,
      });
    });
  });
}
