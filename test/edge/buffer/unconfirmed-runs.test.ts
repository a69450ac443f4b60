import SqliteDatabase from 'better-sqlite3';
import { expect, test } from 'vitest';
import type { RecordBuffer } from '#edge/buffer/buffer.ts';
import { openInlineBuffer } from '#edge/buffer/inline.ts';
import { silentLog } from '#shared/std/log.ts';
import { limits } from '#shared/wire/limits.ts';
import { Random } from '../../sim/random.ts';
import { MachineClock, VirtualTime } from '../../sim/virtual-clock.ts';

const database = () => new SqliteDatabase(':memory:');
const clock = new MachineClock(new VirtualTime(), 1_700_000_000_000);
const { id: newId } = new Random(7);

/** Starts an agent on the disk; the one before was killed. */
const start = (disk: ReturnType<typeof database>): Promise<RecordBuffer> =>
  openInlineBuffer(
    {
      ...{ path: ':memory:', alias: 'factory-a', maxBytes: 1e9, whenFull: 'block' },
      ...{ compression: 'none', topics: new Map([['*', { partitions: 1 }]]) },
    },
    { clock, database: disk, newId, log: silentLog },
  );

const append = (buffer: RecordBuffer, topic: string, count: number) =>
  buffer.append({
    topic,
    records: Array.from({ length: count }, () => ({
      ...{ key: null, value: Buffer.from('x'), headers: [], timestamp: 1 },
    })),
  });

const boundaries = async (buffer: RecordBuffer) =>
  (await buffer.helloStreams()).map(({ topic, head, confirmed, ends }) => [
    topic,
    confirmed,
    ends,
    head,
  ]);

test('every run since the last confirmed session is named, with where it ended', async () => {
  const disk = database();
  const first = await start(disk);
  await append(first, 'a', 3);
  await first.confirmSession('central');
  const second = await start(disk);
  expect(second.identity).toMatchObject({ previous: first.identity.session, unconfirmed: [] });
  expect(await boundaries(second)).toEqual([['a', 2, undefined, 2]]);
  await append(second, 'a', 2);
  const idle = await start(disk);
  const third = await start(disk);
  expect(third.identity.unconfirmed).toEqual([second.identity.session]);
  await append(third, 'a', 1);
  await append(third, 'b', 4);
  const fourth = await start(disk);
  await append(fourth, 'b', 1);
  expect(fourth.identity).toMatchObject({
    previous: first.identity.session,
    unconfirmed: [second.identity.session, third.identity.session],
  });
  expect(await boundaries(fourth)).toEqual([
    ['a', 2, [4, 5], 5],
    ['b', -1, [-1, 3], 4],
  ]);
  expect(idle.identity.session).not.toBe(third.identity.session);
});

test('a confirmed session makes all that went before shared', async () => {
  const disk = database();
  await append(await start(disk), 'a', 3);
  const second = await start(disk);
  await append(second, 'a', 1);
  await second.confirmSession('central');
  expect(await boundaries(second)).toEqual([['a', -1, [2], 3]]);
  const third = await start(disk);
  expect(third.identity).toMatchObject({ previous: second.identity.session, unconfirmed: [] });
  expect(await boundaries(third)).toEqual([['a', 3, undefined, 3]]);
});

test('a fork ends its run like any other, and what moved away does not count', async () => {
  const disk = database();
  const first = await start(disk);
  await append(first, 'a', 5);
  const second = await start(disk);
  await append(second, 'a', 5);
  const [stream] = await second.helloStreams();
  await second.fork({ scope: 'all', keep: [{ ...stream!, through: 6 }] });
  expect(second.identity.unconfirmed).toHaveLength(2);
  expect(await boundaries(second)).toEqual([
    ['a', -1, [4, 6], 6],
    ['a', -1, [-1, 2], 2],
  ]);
});

test('the newest are kept when there are many', async () => {
  const disk = database();
  const sessions: string[] = [];
  for (let i = 0; i < limits.unconfirmedRuns + 4; i++) {
    const buffer = await start(disk);
    await append(buffer, 'a', 1);
    sessions.push(buffer.identity.session);
  }
  const last = await start(disk);
  expect(last.identity.unconfirmed).toEqual(sessions.slice(4));
  expect(await boundaries(last)).toEqual([
    ['a', -1, Array.from({ length: limits.unconfirmedRuns }, (_, i) => i + 4), 19],
  ]);
});
