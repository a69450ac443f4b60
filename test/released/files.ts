import { createHash } from 'node:crypto';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import SqliteDatabase from 'better-sqlite3';
import type { BufferOptions } from '#edge/buffer/buffer.ts';

/** What released versions wrote (make.ts), and how it is opened. */

const folder = new URL('files/', import.meta.url).pathname;

/** Versions that have left a file of this kind, oldest first. */
export const released = (kind: 'edge' | 'central'): string[] =>
  globSync(`${folder}${kind}-*.db.gz`)
    .map((path) => basename(path).slice(kind.length + 1, -'.db.gz'.length))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));

/** A copy in a folder of its own. */
export function unpack(kind: 'edge' | 'central', version: string): string {
  const path = join(mkdtempSync(join(tmpdir(), 'released-')), `${kind}.db`);
  writeFileSync(path, gunzipSync(readFileSync(`${folder}${kind}-${version}.db.gz`)));
  return path;
}

export const discard = (path: string): void => rmSync(dirname(path), { recursive: true });

/** As a version to come would leave it: its number is all that this one may look at. */
export function makeNewer(path: string): void {
  const database = new SqliteDatabase(path);
  database.pragma('user_version = 99');
  database.exec('CREATE TABLE of_the_future (x)');
  database.close();
}

/** Every file of the folder but locks, which are empty, with its content. */
export const contents = (path: string): string[] =>
  globSync(`${dirname(path)}/*`)
    .filter((file) => !file.endsWith('-lock') && !file.endsWith('-shm'))
    .sort()
    .map(
      (file) =>
        `${basename(file)} ${createHash('sha256').update(readFileSync(file)).digest('hex')}`,
    );

export const bufferOptions = (path: string): BufferOptions => ({
  ...{ path, alias: 'factory-a', maxBytes: 32 * 1024 * 1024, whenFull: 'drop-oldest' },
  ...{ topics: new Map([['*', { partitions: 1 }]]), compression: 'zstd' },
});

export const landingOptions = (path: string) => ({
  ...{ path, retentionMs: Number.POSITIVE_INFINITY, maxBytes: 256 * 1024 * 1024 },
});
