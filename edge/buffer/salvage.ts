import { existsSync, renameSync, rmSync } from 'node:fs';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { type Clock, isoTime } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import { openDatabase } from './file.ts';
import { Meta } from './meta.ts';
import { type Salvaged, settleStreams } from './salvage-books.ts';
import { copyRows } from './salvage-rows.ts';
import { damageOf } from './segment.ts';

export interface SalvageParts {
  clock: Clock;
  log: Logger;
  newId: () => string;
}

/**
 * Saves what can be read of a damaged file into a new one, which takes its place:
 *
 *   PATH-salvaging      the new file while it is written; thrown away when that is interrupted
 *   PATH-salvaged       complete; from here on only names change
 *   PATH.corrupt-TIME   the damaged file, for a person to look at or to delete
 *
 * What was appended keeps its epoch and sequences, so that central still knows what it has; what is
 * missing becomes a loss `corrupt`. New records go to a new epoch, for nobody knows what the old
 * one was made to forget.
 */
export function salvage(path: string, parts: SalvageParts): void {
  const partial = `${path}-salvaging`;
  removeDatabase(partial);
  const outcome = rebuild(path, partial, parts);
  renameSync(partial, salvagedName(path));
  const aside = finishSalvage(path, parts.clock);
  parts.log.error(
    { ...outcome, aside },
    'the buffer was damaged: what could be read was saved, the rest is declared lost; ' +
      'the damaged file is kept aside and may be deleted',
  );
}

const salvagedName = (path: string): string => `${path}-salvaged`;

/** Also for a start after a salvage that was interrupted between two names. */
export function finishSalvage(path: string, clock: Clock): string | undefined {
  if (!existsSync(salvagedName(path))) return undefined;
  const aside = `${path}.corrupt-${isoTime(clock.now())!.replace(/[:.]/g, '')}`;
  for (const end of ['-wal', '-shm', '']) {
    if (existsSync(path + end)) renameSync(path + end, aside + end);
  }
  renameSync(salvagedName(path), path);
  return aside;
}

function removeDatabase(path: string): void {
  for (const end of ['', '-wal', '-shm']) rmSync(path + end, { force: true });
}

function rebuild(path: string, partial: string, parts: SalvageParts): Salvaged {
  const fresh = openDatabase(partial);
  try {
    fresh.pragma('synchronous = OFF');
    const old = openDamaged(path);
    const copied = old ? copyAll(old, fresh) : 0;
    old?.close();
    const outcome = settleStreams(fresh, parts.clock);
    const meta = new Meta(fresh);
    meta.set('epoch', parts.newId());
    // Some positions and places may be missing: it is to be told again what has landed.
    meta.set('sources_at', null);
    fresh.pragma('synchronous = FULL');
    fresh.pragma('wal_checkpoint(TRUNCATE)');
    fresh.pragma('journal_mode = DELETE');
    return { ...outcome, rows: copied };
  } finally {
    fresh.close();
  }
}

/** undefined when not even SQLite recognizes it. */
function openDamaged(path: string): Database | undefined {
  try {
    const database = new SqliteDatabase(path, { timeout: 1000 });
    database.pragma('user_version');
    return database;
  } catch {
    return undefined;
  }
}

/** Rows copied. Streams first: without them nobody knows what a segment is. */
function copyAll(old: Database, fresh: Database): number {
  let copied = copyRows(old, fresh, 'meta', { key: 'key' });
  copied += copyRows(old, fresh, 'streams', { key: 'id' });
  copied += copyRows(old, fresh, 'positions', { key: 'key' });
  copied += copyRows(old, fresh, 'landed_places', { key: 'topic' });
  copied += copyRows(old, fresh, 'idempotency', { key: 'id' });
  copied += copyRows(old, fresh, 'losses', { key: 'id' });
  copied += copyRows(old, fresh, 'quarantine', { key: 'id' });
  copied += copyRows(old, fresh, 'segments', {
    key: 'id',
    accept: (row) =>
      damageOf(row.batch as Buffer, row.count as number) === undefined &&
      row.stored === (row.batch as Buffer).length,
  });
  const segment = fresh.prepare('SELECT 1 FROM segments WHERE id = ?');
  copied += copyRows(old, fresh, 'source_runs', {
    key: 'id',
    accept: ({ id }) => segment.get(id) !== undefined,
  });
  return copied;
}
