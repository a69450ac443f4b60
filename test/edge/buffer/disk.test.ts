import { existsSync, readdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { afterEach, expect, test } from 'vitest';
import type { BufferOptions } from '#edge/buffer/buffer.ts';
import { openMemoryDatabase } from '#edge/buffer/file.ts';
import { memoryBudget } from '#edge/buffer/options.ts';
import { Store } from '#edge/buffer/store.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import type { Frame } from '#shared/wire/frame.ts';
import {
  type BufferHarness,
  delivery,
  expectBalance,
  losses,
  readAll,
  segments,
  stream,
  values,
} from '../../contract/buffer.ts';
import { fileHarness, openInline, optionsFor } from './buffer-harness.ts';

let harness: BufferHarness | undefined;
afterEach(async () => {
  await harness?.dispose();
  harness = undefined;
});

const incarnation = 'ab'.repeat(16);

/** Of each record that says where it stood at the source, whether that is true. */
const placesOf = (frames: readonly Frame[]): boolean[] =>
  segments(frames).flatMap((frame) => {
    const texts = values([frame]);
    return frame.runs.flatMap((run) =>
      Array.from({ length: run.count }, (_, i) => {
        const text = texts[run.sequence - frame.first + i]!;
        return run.incarnation === incarnation && text.startsWith(`${run.sourceOffset + i} `);
      }),
    );
  });

/** A buffer with `count` records of about 3 KB in as many segments, closed. */
async function filled(count: number, changes: Partial<BufferOptions> = {}): Promise<BufferHarness> {
  harness = await fileHarness(openInline, { compression: 'none', ...changes });
  for (let i = 0; i < count; i++) {
    const { topic, records } = delivery(i % 2 === 0 ? 'even' : 'odd', `${i} `.repeat(1_000));
    const placed = records.map((record) => ({ ...record, sourceOffset: i }));
    await harness.buffer.append({ topic, records: placed, incarnation });
  }
  await harness.buffer.close();
  return harness;
}

/** Runs SQL on the closed file. */
function tamper(path: string, sql: string): void {
  const database = new SqliteDatabase(path);
  database.exec(sql);
  database.close();
}

function schemaVersionOf(path: string): number {
  const database = new SqliteDatabase(path, { readonly: true });
  const version = database.pragma('user_version', { simple: true }) as number;
  database.close();
  return version;
}

async function overwrite(path: string, from: number, bytes: number): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(Buffer.alloc(bytes, 0xa5), 0, bytes, from);
  await file.close();
}

const asideOf = (path: string): string[] =>
  readdirSync(dirname(path)).filter((name) => name.startsWith(`${basename(path)}.corrupt-`));

test('a file of a later version is left alone', async () => {
  const { options } = await filled(1);
  const version = schemaVersionOf(options.path);
  tamper(options.path, 'PRAGMA user_version = 99');
  await expect(openInline(options)).rejects.toMatchObject({
    code: 'newer-file',
    message: expect.stringContaining('format 99'),
  });
  tamper(options.path, `PRAGMA user_version = ${version}`);
  await harness!.reopen();
});

test.each([
  [1, 'DROP TRIGGER source_runs_go; DROP TABLE source_runs; DROP TABLE landed_places;'],
  [2, 'DROP TABLE landed_places;'],
])('a file of version %i is brought up to date and keeps all that it has', async (older, undo) => {
  const { options } = await filled(4);
  const version = schemaVersionOf(options.path);
  tamper(options.path, `${undo} PRAGMA user_version = ${older}`);
  await harness!.reopen();
  const { buffer } = harness!;
  const { topic, records } = delivery('even', 'after it');
  const placed = records.map((record) => ({ ...record, sourceOffset: 9 }));
  await buffer.append({ topic, records: placed, incarnation });
  const firstWords = values(await readAll(buffer)).map((text) => text.split(' ')[0]);
  expect(firstWords.sort()).toEqual(['0', '1', '2', '3', 'after']);
  await expectBalance(buffer, 0);
  await buffer.close();
  expect(schemaVersionOf(options.path)).toBe(version);
  await harness!.reopen();
});

test('one owner at a time, and the next one when it is gone', async () => {
  const { options } = await filled(1);
  await harness!.reopen();
  await expect(openInline(options)).rejects.toMatchObject({ code: 'locked' });
  await harness!.buffer.close();
  const next = await openInline(options);
  await next.close();
  await harness!.reopen();
});

test('a path that is none says so', async () => {
  await expect(openInline(optionsFor('/proc/no/buffer.db'))).rejects.toMatchObject({
    code: 'unusable',
    message: expect.stringContaining('/proc/no/buffer.db'),
  });
});

test('a segment whose bytes changed is a loss in its place, and the rest goes on', async () => {
  const { options } = await filled(6);
  tamper(
    options.path,
    `UPDATE segments SET batch = CAST(substr(batch, 1, 900) || x'00' || substr(batch, 902) AS BLOB)
     WHERE id = 3`,
  );
  await harness!.reopen();
  const { buffer } = harness!;
  const frames = await readAll(buffer);
  expect(values(frames)).toHaveLength(5);
  expect(losses(frames).map(({ loss }) => loss)).toMatchObject([
    { first: 1, span: 1, reason: 'corrupt', detail: expect.stringContaining('CRC') },
  ]);
  await expectBalance(buffer, 0);
});

test('source offsets whose bytes changed are not passed on, the records are', async () => {
  const { options } = await filled(6);
  tamper(
    options.path,
    `UPDATE source_runs SET runs = CAST(x'00000000000000ff' || substr(runs, 9) AS BLOB)
     WHERE id = 3`,
  );
  await harness!.reopen();
  const frames = await readAll(harness!.buffer);
  expect(values(frames)).toHaveLength(6);
  expect(placesOf(frames)).toEqual([true, true, true, true, true]);
  await expectBalance(harness!.buffer, 0);
});

test('a damaged file is salvaged at the next start, and what is missing is declared', async () => {
  const { options } = await filled(400, { maxBytes: 64 * 1024 * 1024 });
  const { epoch } = harness!.buffer.identity;
  tamper(options.path, `INSERT INTO meta VALUES ('sources_at', 7)`);
  // Pages of segments, well behind the small tables.
  await overwrite(options.path, 100 * 4096, 3 * 4096);
  await overwrite(options.path, 250 * 4096, 4096);
  await harness!.reopen();
  await expect(readAll(harness!.buffer)).rejects.toThrow('damaged');
  await expect(harness!.buffer.probe()).rejects.toThrow('restart');
  await expect(harness!.buffer.append(delivery('t', 'x'))).rejects.toMatchObject({ code: 'io' });
  await harness!.reopen();
  const { buffer } = harness!;
  expect(asideOf(options.path)).toHaveLength(1);
  expect(buffer.identity.epoch).not.toBe(epoch);
  // Places and positions may be among what is missing: central is to tell them again.
  expect(buffer.identity.sourcesAt).toBe(-1);
  const { totals } = await buffer.report(0, 10);
  expect(totals.acceptedRecords).toBe(400);
  expect(totals.backlogRecords).toBeGreaterThan(100);
  expect(totals.backlogRecords).toBeLessThan(400);
  expect(totals.lostRecords).toBe(400 - totals.backlogRecords);
  const frames = await readAll(buffer);
  expect(frames.every((frame) => frame.epoch === epoch)).toBe(true);
  expect(new Set(losses(frames).map(({ loss }) => loss.reason))).toEqual(new Set(['corrupt']));
  expect(values(frames)).toHaveLength(totals.backlogRecords);
  expect(new Set(placesOf(frames))).toEqual(new Set([true]));
  expect(placesOf(frames).length).toBeGreaterThan(totals.backlogRecords / 2);
  await buffer.append(delivery('even', 'new'));
  expect((await buffer.helloStreams()).map((each) => each.epoch)).toContain(buffer.identity.epoch);
  await buffer.acknowledge(
    (await buffer.helloStreams()).map((each) => ({ ...each, through: each.head })),
  );
  await expectBalance(buffer, totals.backlogRecords + 1);
});

test('of what is no database at all nothing is left but the file itself', async () => {
  const { options } = await filled(3);
  await overwrite(options.path, 0, 4096);
  await harness!.reopen();
  expect(asideOf(options.path)).toHaveLength(1);
  expect(await harness!.buffer.helloStreams()).toEqual([]);
  await harness!.buffer.append(delivery('t', 'a'));
  expect(values(await readAll(harness!.buffer))).toEqual(['a']);
});

test('a salvage that was interrupted between two names is finished', async () => {
  const { options } = await filled(3);
  const { renameSync } = await import('node:fs');
  renameSync(options.path, `${options.path}-salvaged`);
  await harness!.reopen();
  expect(existsSync(`${options.path}-salvaged`)).toBe(false);
  expect(values(await readAll(harness!.buffer))).toHaveLength(3);
});

test('a full disk refuses before it forgets, and acknowledging still works', () => {
  const database = openMemoryDatabase();
  const pages = () => database.pragma('page_count', { simple: true }) as number;
  let isHeld = true;
  const options = optionsFor(':memory:', { compression: 'none', whenFull: 'drop-oldest' });
  const store = new Store({
    ...{ database, options, budget: memoryBudget(options.maxBytes), clock: systemClock },
    ...{ log: silentLog, newId: () => 'e'.repeat(32), fault: () => {}, onDamage: () => {} },
    reserve: {
      hold: () => isHeld,
      release: () => {
        database.pragma(`max_page_count = ${pages() + 50}`);
        const was = isHeld;
        isHeld = false;
        return was;
      },
    },
  });
  const append = (i: number, whenFull: 'wait' | 'refuse' = 'refuse') =>
    store.append([{ ...delivery('t', `${i} `.repeat(2_000)), whenFull }])[0];
  for (let i = 0; i < 20; i++) expect(append(i)).toMatchObject({ accepted: 1 });
  database.pragma(`max_page_count = ${pages()}`);
  let accepted = 20;
  let outcome = append(accepted);
  while (outcome !== 'wait' && outcome && 'accepted' in outcome) {
    accepted += 1;
    outcome = append(accepted);
  }
  expect(outcome).toMatchObject({ code: 'disk-full', canRetry: true });
  expect(append(accepted, 'wait')).toBe('wait');
  const { totals } = store.report(0, 1);
  expect(totals).toMatchObject({ acceptedRecords: accepted, lostRecords: 0 });
  const id = { epoch: store.identity.epoch, topic: 't', partition: 0 };
  // Cutting a segment needs room: the reserve is given back for it.
  store.acknowledge([{ ...id, through: accepted - 2 }]);
  expect(store.report(0, 1).totals.backlogRecords).toBe(1);
  if (!isHeld) expect(append(accepted)).toMatchObject({ code: 'disk-full' });
  isHeld = true;
  expect(append(accepted)).toMatchObject({ accepted: 1 });
});

test('streams, losses and records can be looked at beside the owner', async () => {
  const { Inspection } = await import('#edge/buffer/inspect.ts');
  const { options } = await filled(40);
  await harness!.reopen();
  const { buffer } = harness!;
  await buffer.acknowledge([{ ...stream(buffer, 'even'), through: 4 }]);
  const inspection = new Inspection(options, systemClock);
  const report = inspection.report();
  const { totals, streams } = await buffer.report(0, 10);
  expect(report.totals).toMatchObject({ ...totals, oldestAgeMs: expect.any(Number) });
  const told = (all: typeof streams) =>
    all.map(({ topic, head, cursor }) => `${topic} ${head} ${cursor}`).sort();
  expect(told(report.streams)).toEqual(told(streams));
  expect(inspection.losses(5)).toEqual([]);
  const runs = [...inspection.records('even')];
  const records = runs.flatMap((run) => ('records' in run ? run.records : []));
  expect(records).toHaveLength(15);
  expect(runs[0]!.first).toBe(5);
  expect(records[0]!.headers).toEqual([]);
  await buffer.append(delivery('even', 'meanwhile'));
  inspection.close();
  await buffer.close();
  const alone = new Inspection(options, systemClock);
  expect([...alone.records()].length).toBeGreaterThan(2);
  alone.close();
  expect(() => new Inspection(optionsFor('/tmp/none.db'), systemClock)).toThrow('no buffer');
  await harness!.reopen();
});
