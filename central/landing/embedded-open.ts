import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { damageHint, EmbeddedOpenError, isDamage, sqliteCode } from './embedded-errors.ts';
import { prepareSchema } from './embedded-schema.ts';

/**
 * The landing's file, ours alone while this process lives.
 *
 *   PATH           the database; PATH-wal and PATH-shm belong to it
 *   PATH-lock      an empty database that we keep locked exclusively: the kernel lets go of it when
 *                  the process dies, and PATH itself stays readable for `sqlite3` meanwhile
 *   PATH-reserve   see embedded-reserve.ts
 *
 * (POSIX locks: nobody in this process may open and close PATH or PATH-lock in another way than
 * SQLite.)
 */
export interface OpenedFile {
  database: Database;
  centralId: string;
  close(): void;
}

/** Creates the folder and the file where missing. Throws an EmbeddedOpenError. */
export function openLandingFile(path: string, newCentralId: () => string): OpenedFile {
  try {
    makeFolder(dirname(path));
    const lock = lockFile(path);
    try {
      const database = new SqliteDatabase(path, { timeout: 1000 });
      try {
        const centralId = prepareSchema(database, newCentralId);
        const close = () => {
          database.close();
          lock.close();
        };
        return { database, centralId, close };
      } catch (error) {
        database.close();
        throw error;
      }
    } catch (error) {
      lock.close();
      throw error;
    }
  } catch (error) {
    throw openError(path, error);
  }
}

/** For simulations: the same tables in memory. A crash is a new landing over the same database. */
export const openMemoryDatabase = (): Database => new SqliteDatabase(':memory:');

/** A new folder survives a power cut only when its parent was synced. */
function makeFolder(folder: string): void {
  const created = mkdirSync(folder, { recursive: true });
  if (created === undefined) return;
  const parent = openSync(dirname(created), 'r');
  fsyncSync(parent);
  closeSync(parent);
}

function lockFile(path: string): Database {
  const lock = new SqliteDatabase(`${path}-lock`, { timeout: 0 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    if (sqliteCode(error) !== 'SQLITE_BUSY') throw error;
    throw new EmbeddedOpenError(
      'locked',
      `${path} is in use by another tributary-central; stop that one, ` +
        'or give this one its own landing.path',
    );
  }
}

function openError(path: string, error: unknown): EmbeddedOpenError {
  if (error instanceof EmbeddedOpenError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (isDamage(error)) {
    return new EmbeddedOpenError('corrupt', `${path}: ${message}: ${damageHint}`, { cause: error });
  }
  return new EmbeddedOpenError(
    'unusable',
    `landing.path = ${path} cannot be used: ${message}; check that its folder exists on a disk ` +
      'with room and that this user may write there',
    { cause: error },
  );
}
