import { closeSync, existsSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { BufferOpenError, isDamage, sqliteCode } from './buffer-errors.ts';
import { prepareSchema } from './schema.ts';

/**
 * The buffer's files, one owner at a time:
 *
 *   PATH           the database; PATH-wal and PATH-shm belong to it
 *   PATH-lock      an empty database that the owner keeps locked exclusively: the kernel lets
 *                  go of it when the process dies, and PATH itself stays readable meanwhile
 *   PATH-reserve   see reserve.ts
 *   PATH-damaged   a marker: SQLite met damage, salvage at the next start (salvage.ts)
 *
 * (POSIX locks: nobody in this process may open and close PATH or PATH-lock but SQLite.)
 */
export interface Lock {
  release(): void;
}

/** Creates the folder; throws a BufferOpenError `locked` or `unusable`. */
export function lockFile(path: string): Lock {
  let lock: Database;
  try {
    makeFolder(dirname(path));
    lock = new SqliteDatabase(`${path}-lock`, { timeout: 0 });
  } catch (error) {
    throw openError(path, error);
  }
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return { release: () => void lock.close() };
  } catch (error) {
    lock.close();
    if (sqliteCode(error) !== 'SQLITE_BUSY') throw openError(path, error);
    throw new BufferOpenError(
      'locked',
      `buffer.path = ${path} is in use by another tributary-edge; stop that one first, or give this ` +
        'one a path of its own',
    );
  }
}

/**
 * A new folder survives a power cut only when its parent was synced. (Not by `recursive`: on a file
 * system that takes no folders, such as /proc, Node 24 then tries for ever.)
 */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  mkdirSync(folder);
  const parent = openSync(dirname(folder), 'r');
  fsyncSync(parent);
  closeSync(parent);
}

/**
 * Opens and prepares the database. Damage is thrown as SQLite says it, all else as BufferOpenError.
 */
export function openDatabase(path: string): Database {
  let database: Database | undefined;
  try {
    database = new SqliteDatabase(path, { timeout: 1000 });
    prepareSchema(database);
    return database;
  } catch (error) {
    database?.close();
    if (isDamage(error)) throw error;
    throw openError(path, error);
  }
}

/** For simulations: a buffer that outlives its crashes is a new store over the same database. */
export function openMemoryDatabase(): Database {
  const database = new SqliteDatabase(':memory:');
  prepareSchema(database);
  return database;
}

function openError(path: string, error: unknown): BufferOpenError {
  if (error instanceof BufferOpenError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new BufferOpenError(
    'unusable',
    `buffer.path = ${path} cannot be used: ${message}; check that its folder is on a disk with room ` +
      'and that this user may write there',
    { cause: error },
  );
}
