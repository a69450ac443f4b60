import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openEmbeddedLanding } from '#central/landing/embedded.ts';
import type { EmbeddedOpenError } from '#central/landing/embedded-errors.ts';
import { FileStore, type FileStoreOptions } from '#central/landing/embedded-file-store.ts';
import { silentLog } from '#shared/std/log.ts';
import { readAll, sequenceOf } from '../../contract/landing-dump.ts';
import { Site } from '../../contract/landing-site.ts';
import { mebibyte, temporaryFolder, testClock } from './embedded-harness.ts';

let folder: ReturnType<typeof temporaryFolder>;
const path = () => join(folder.path, 'data', 'central.db');
const settings = () => ({ path: path(), maxBytes: 128 * mebibyte, retentionMs: 1000 });
const open = (options: Partial<FileStoreOptions> = {}): FileStore =>
  FileStore.open({ ...settings(), ...options }, () => 'c'.repeat(32));

function openError(options?: Partial<FileStoreOptions>): EmbeddedOpenError {
  try {
    open(options);
  } catch (error) {
    return error as EmbeddedOpenError;
  }
  return expect.unreachable('it was opened');
}

beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

test('one landing owns the file, and the next may have it when the first has ended', async () => {
  const parts = { clock: testClock().clock, log: silentLog };
  const landing = await openEmbeddedLanding(settings(), parts);
  const error = await openEmbeddedLanding(settings(), parts).catch((error) => error);
  expect(error).toMatchObject({ name: 'EmbeddedOpenError', code: 'locked' });
  expect(error.message).toContain('in use by another tributary-central');
  await landing.close();
  open().close();
});

test('a process that was killed does not keep the file locked', async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'landing-process.ts'), path()], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  expect(openError()).toMatchObject({ code: 'locked' });
  child.kill('SIGKILL');
  await once(child, 'exit');
  open().close();
});

test('a file of a newer version is left alone', () => {
  open().close();
  const database = new SqliteDatabase(path());
  database.pragma('user_version = 99');
  database.close();
  const error = openError();
  expect(error).toMatchObject({ code: 'newer' });
  expect(error.message).toContain('99');
});

const noPlaces =
  'ALTER TABLE checkpoints DROP source_incarnation; ALTER TABLE checkpoints DROP source_next;';
const noNaming = `${noPlaces} ALTER TABLE topics DROP naming;`;
test.each([
  [1, `${noNaming} DROP TABLE registry;`],
  [2, noNaming],
  [3, noPlaces],
])(
  'a file of version %i is brought up to date and keeps all that has landed',
  async (older, undo) => {
    const parts = { clock: testClock().clock, log: silentLog };
    const kept = { ...settings(), retentionMs: Number.POSITIVE_INFINITY };
    const before = await openEmbeddedLanding(kept, parts);
    const site = new Site('factory-a');
    await before.commit([site.hello(1)]);
    await before.commit([site.write(2, { segments: [site.segment(3)] })]);
    await before.close();
    const database = new SqliteDatabase(path());
    database.exec(`${undo} PRAGMA user_version = ${older}`);
    database.close();
    const after = await openEmbeddedLanding(kept, parts);
    expect(after.centralId).toBe(before.centralId);
    await after.commit([site.write(3, { segments: [site.segment(2)] })]);
    expect((await readAll(after, 'readings', 0)).map(sequenceOf)).toEqual([0, 1, 2, 3, 4]);
    expect(await after.load('factory-a')).toMatchObject({ checkpoints: [{ through: 4 }] });
    expect(await after.registry('')).toEqual([]);
    await after.close();
  },
);

test("somebody else's SQLite file is left alone", async () => {
  mkdirSync(join(folder.path, 'data'));
  const database = new SqliteDatabase(path());
  database.exec('CREATE TABLE theirs (x)');
  database.close();
  const before = readFileSync(path());
  expect(openError()).toMatchObject({ code: 'foreign' });
  expect(readFileSync(path())).toEqual(before);
});

test('a damaged file is never replaced by a new one, and the message says what to do', async () => {
  const landing = open();
  landing.close();
  const whole = readFileSync(path());
  for (const damaged of [
    Buffer.alloc(whole.length, 0x55),
    Buffer.concat([whole.subarray(0, 100), Buffer.alloc(whole.length - 100, 0xff)]),
    whole.subarray(0, 9000),
  ]) {
    writeFileSync(path(), damaged);
    const error = openError();
    expect(error).toMatchObject({ code: 'corrupt' });
    expect(error.message).toMatch(/backup.*\.recover.*edges adopt/);
    expect(readFileSync(path())).toEqual(damaged);
  }
  writeFileSync(path(), whole);
  const again = FileStore.open(settings(), () => 'd'.repeat(32));
  expect(again.centralId).toBe('c'.repeat(32));
  again.close();
});

test('settings that cannot work are named', async () => {
  const small = openError({ maxBytes: 1000 });
  expect(small).toMatchObject({ code: 'settings' });
  expect(small.message).toMatch(/landing.max_bytes is 1000/);
  expect(openError({ retentionMs: 0 })).toMatchObject({ code: 'settings' });
  expect(openError({ path: '' })).toMatchObject({ code: 'settings' });
  mkdirSync(path(), { recursive: true });
  const folderAsFile = openError();
  expect(folderAsFile).toMatchObject({ code: 'unusable' });
  expect(folderAsFile.message).toContain(path());
});

test('what an older run wrote is there after orderly restarts', async () => {
  const site = new Site('factory-a');
  const first = open();
  first.commitGroup([[site.hello(1), site.write(1, { segments: [site.segment(10)] })]]);
  first.close();
  const second = open();
  expect(second.centralId).toBe(first.centralId);
  expect(second.load('factory-a')).toMatchObject({ checkpoints: [{ through: 9 }] });
  second.close();
});
