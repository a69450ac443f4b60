import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import type { RecordBuffer } from '#edge/buffer/buffer.ts';
import {
  type BufferContext,
  delivery,
  expectBalance,
  losses,
  readAll,
  record,
  recordsOf,
  segments,
  stream,
  values,
} from './buffer.ts';

const kib = 1024;
/** What does not compress. */
const noise = randomBytes(1024 * kib);
const large = 64 * kib;

/** Appends large records, `count` of them. */
async function fill(buffer: RecordBuffer, topic: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const value = noise.subarray((i % 16) * large, ((i % 16) + 1) * large);
    await buffer.append({ topic, records: [record('', { value })], whenFull: 'refuse' });
  }
}

/** Until the buffer takes no more; answers how many it took. */
async function fillUp(buffer: RecordBuffer, topic: string): Promise<number> {
  for (let i = 0; i < 5000; i++) {
    try {
      await fill(buffer, topic, 1);
    } catch (error) {
      expect(error).toMatchObject({ code: 'buffer-full', canRetry: true });
      return i;
    }
  }
  throw new Error('it never got full');
}

async function isBlocked(buffer: RecordBuffer): Promise<void> {
  while (!(await buffer.report(0, 1)).blocked);
}

/** The hard cap. */
export function describeFull(context: BufferContext): void {
  const maxBytes = 16 * kib * kib;

  test('at the cap the oldest records go, and each is on the ledger', async () => {
    await context.restart({ maxBytes });
    const { buffer } = context;
    await fill(buffer, 't', 400);
    const { usedBytes, totals } = await buffer.report(0, 10);
    expect(usedBytes).toBeLessThanOrEqual(maxBytes);
    expect(totals.acceptedRecords).toBe(400);
    expect(totals.lostRecords).toBeGreaterThan(100);
    const frames = await readAll(buffer);
    expect(losses(frames).map(({ loss }) => loss)).toMatchObject([
      { first: 0, span: totals.lostRecords, reason: 'evicted' },
    ]);
    expect(segments(frames)[0]!.first).toBe(totals.lostRecords);
    expect(values(frames)).toHaveLength(totals.backlogRecords);
    await expectBalance(buffer, 0);
  });

  test('a topic over its own cap gives way first', async () => {
    await context.restart({
      maxBytes,
      topics: new Map([
        ['*', { partitions: 1 }],
        ['chatty', { partitions: 1, maxBytes: 1024 * kib }],
      ]),
    });
    const { buffer } = context;
    await fill(buffer, 'precious', 20);
    await fill(buffer, 'chatty', 120);
    const { streams } = await buffer.report(0, 10);
    const of = (topic: string) => streams.find((each) => each.topic === topic)!;
    expect(of('precious').lostRecords).toBe(0);
    expect(of('chatty').lostRecords).toBeGreaterThan(100);
    expect(of('chatty').backlogBytes).toBeLessThanOrEqual(1100 * kib);
  });

  test('with "block" nothing is dropped: a delivery waits until there is room', async () => {
    await context.restart({ maxBytes, whenFull: 'block' });
    const { buffer } = context;
    const taken = await fillUp(buffer, 't');
    expect(taken).toBeGreaterThan(100);
    let done = 0;
    const waiting = ['x', 'y'].map((value) =>
      buffer.append(delivery('t', value.repeat(100_000))).then(() => {
        done += 1;
      }),
    );
    await isBlocked(buffer);
    expect(done).toBe(0);
    await expect(
      buffer.append({ ...delivery('t', 'z'), whenFull: 'refuse' }),
    ).rejects.toMatchObject({ code: 'buffer-full' });
    await buffer.acknowledge([{ ...stream(buffer, 't'), through: 50 }]);
    await Promise.all(waiting);
    const { totals, blocked } = await buffer.report(0, 1);
    expect(blocked).toBe(false);
    expect(totals).toMatchObject({ lostRecords: 0, acceptedRecords: taken + 2 });
    const newest = recordsOf(await readAll(buffer)).slice(-2);
    expect(newest.map(({ value }) => value?.toString('utf8', 0, 1))).toEqual(['x', 'y']);
  });

  test('records of a topic that blocks are never dropped for another', async () => {
    await context.restart({
      maxBytes,
      topics: new Map([
        ['*', { partitions: 1 }],
        ['safe', { partitions: 1, whenFull: 'block' }],
      ]),
    });
    const { buffer } = context;
    await fill(buffer, 'safe', 60);
    await fill(buffer, 'loose', 250);
    const { streams } = await buffer.report(0, 10);
    expect(streams.find(({ topic }) => topic === 'safe')).toMatchObject({
      ...{ backlogRecords: 60, lostRecords: 0 },
    });
    await expectBalance(buffer, 0);
  });

  test('closing fails what waits', async () => {
    await context.restart({ maxBytes, whenFull: 'block' });
    const { buffer } = context;
    await fillUp(buffer, 't');
    const waiting = buffer.append(delivery('t', 'x'.repeat(200_000)));
    const failed = expect(waiting).rejects.toMatchObject({ code: 'closed' });
    await isBlocked(buffer);
    await buffer.close();
    await failed;
  });
}
