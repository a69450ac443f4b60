import { statSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import SqliteDatabase from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  type BufferHarness,
  delivery,
  expectBalance,
  readAll,
  segments,
  stream,
  values,
} from '../../contract/buffer.ts';
import { fileHarness, openThread } from './buffer-harness.ts';

let harness: BufferHarness;
beforeEach(async () => {
  harness = await fileHarness(openThread);
});
afterEach(() => harness.dispose());

test('many deliveries share a commit, and their records a segment', async () => {
  const { buffer } = harness;
  let commits = 0;
  buffer.onAppended(() => {
    commits += 1;
  });
  const all = Array.from({ length: 2_000 }, (_, i) => `value ${i}`);
  await Promise.all(all.map((value) => buffer.append(delivery('t', value))));
  expect(commits).toBeLessThan(20);
  const frames = await readAll(buffer);
  expect(values(frames)).toEqual(all);
  expect(segments(frames).length).toBeLessThan(20);
});

test('one bad delivery fails alone', async () => {
  const { buffer } = harness;
  const outcomes = await Promise.allSettled([
    buffer.append(delivery('t', 'a')),
    buffer.append(delivery('no good', 'b')),
    buffer.append(delivery('t', 'c')),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(values(await readAll(buffer))).toEqual(['a', 'c']);
});

test('the thread that delivers is never held up by a commit', async () => {
  const { buffer, options } = harness;
  const other = new SqliteDatabase(options.path);
  other.exec('BEGIN IMMEDIATE');
  let isDone = false;
  const appended = buffer.append(delivery('t', 'a')).then(() => {
    isDone = true;
  });
  // The commit waits for the lock; this thread goes on turning.
  for (let turns = 0; turns < 1_000; turns++) await new Promise(setImmediate);
  expect(isDone).toBe(false);
  other.close();
  await appended;
  await expectBalance(buffer, 0);
});

test('what was delivered before the close is kept', async () => {
  const { buffer } = harness;
  const under = Array.from({ length: 100 }, (_, i) => buffer.append(delivery('t', String(i))));
  await Promise.all([...under, buffer.close()]);
  await harness.reopen();
  expect(values(await readAll(harness.buffer))).toHaveLength(100);
});

test('the file shrinks when central has taken what was in it', async () => {
  await harness.reopen({ maxBytes: 256 * 1024 * 1024, compression: 'none' });
  const { buffer } = harness;
  for (let i = 0; i < 60; i++) await buffer.append(delivery('t', `${i} `.repeat(200_000)));
  const size = () => statSync(harness.options.path).size;
  await buffer.probe();
  const full = size();
  expect(full).toBeGreaterThan(20_000_000);
  await buffer.acknowledge([{ ...stream(buffer, 't'), through: 59 }]);
  await expect.poll(size, { timeout: 10_000 }).toBeLessThan(8_000_000);
  expect(await readAll(buffer)).toEqual([]);
});

test('a thread has ended when its buffer is closed, or was not to be had', async () => {
  // -1 is Node's number for one that is no more.
  let latest: Worker | undefined;
  const onWorker = (worker: Worker) => {
    latest = worker;
  };
  process.on('worker', onWorker);
  await openThread({ ...harness.options, alias: 'a.b' }).catch(() => {});
  expect(latest?.threadId).toBe(-1);
  await harness.reopen();
  expect(latest?.threadId).not.toBe(-1);
  await harness.buffer.close();
  expect(latest?.threadId).toBe(-1);
  process.off('worker', onWorker);
});

test('a wrong setting and a taken file are told as they are', async () => {
  await expect(openThread({ ...harness.options, alias: 'a.b' })).rejects.toMatchObject({
    ...{ name: 'BufferOpenError', code: 'settings' },
  });
  await expect(openThread(harness.options)).rejects.toMatchObject({
    ...{ name: 'BufferOpenError', code: 'locked' },
    message: expect.stringContaining(harness.options.path),
  });
});
