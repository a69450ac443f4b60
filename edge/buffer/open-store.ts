import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs';
import type { Database } from 'better-sqlite3';
import type { Clock } from '#shared/std/clock.ts';
import { type Logger, silentLog } from '#shared/std/log.ts';
import type { BufferOptions } from './buffer.ts';
import { isDamage, isDiskFull } from './buffer-errors.ts';
import { lockFile, openDatabase } from './file.ts';
import { budgetOf, checkOptions, memoryBudget } from './options.ts';
import { assertOwner } from './owner.ts';
import { noReserve, ReserveFile } from './reserve.ts';
import { finishSalvage, salvage } from './salvage.ts';
import { prepareSchema } from './schema.ts';
import { Store } from './store.ts';

export interface OpenParts {
  clock: Clock;
  log?: Logger;
  /** 32 hexadecimal digits, never twice. */
  newId?: () => string;
  /** A simulation's disk, which outlives the stores over it; instead of the file. */
  database?: Database;
  /** A simulation may throw here, at each step of each commit; then the store is dead. */
  fault?: (step: string) => void;
}

export interface OpenedStore {
  store: Store;
  close(): void;
}

/** Least `maxBytes` of a database in memory. */
const memoryBytesMin = 256 * 1024;

/** Throws a BufferOpenError. What is damaged is salvaged (salvage.ts). */
export function openStore(options: BufferOptions, parts: OpenParts): OpenedStore {
  const { database } = parts;
  return database ? openInMemory(options, parts, database) : openOnDisk(options, parts);
}

function openInMemory(options: BufferOptions, parts: OpenParts, database: Database): OpenedStore {
  checkOptions(options, memoryBytesMin);
  prepareSchema(database);
  const store = new Store({
    ...{ ...withDefaults(parts), database, options, budget: memoryBudget(options.maxBytes) },
    ...{ reserve: noReserve, onDamage: () => {} },
  });
  // The disk stays: it belongs to whoever gave it.
  return { store, close: () => store.rest() };
}

function openOnDisk(options: BufferOptions, parts: OpenParts): OpenedStore {
  checkOptions(options);
  const lock = lockFile(options.path);
  try {
    const store = storeOver(options, parts);
    const close = () => {
      try {
        store.close();
      } finally {
        lock.release();
      }
    };
    return { store, close };
  } catch (error) {
    lock.release();
    throw error;
  }
}

function storeOver(options: BufferOptions, parts: OpenParts): Store {
  const { path } = options;
  const given = withDefaults(parts);
  finishSalvage(path, given.clock);
  if (existsSync(damageMarker(path))) {
    salvage(path, given);
    rmSync(damageMarker(path));
  }
  try {
    return openFile(options, given);
  } catch (error) {
    if (!isDamage(error)) throw error;
    salvage(path, given);
    return openFile(options, given);
  }
}

function openFile(options: BufferOptions, parts: GivenParts): Store {
  const { path, maxBytes } = options;
  const reserve = new ReserveFile(path, budgetOf(maxBytes).reserve);
  try {
    return storeIn(openDatabase(path), options, parts, reserve);
  } catch (error) {
    // After a crash on a full disk there may not even be the room that opening takes.
    if (!(isDiskFull(error) || isDiskFull((error as Error).cause)) || !reserve.release())
      throw error;
    return storeIn(openDatabase(path), options, parts, reserve);
  }
}

function storeIn(
  database: Database,
  options: BufferOptions,
  parts: GivenParts,
  reserve: ReserveFile,
): Store {
  try {
    assertOwner(database, options);
    return new Store(fileParts(options, parts, database, reserve));
  } catch (error) {
    database.close();
    throw error;
  }
}

type GivenParts = Required<Omit<OpenParts, 'database'>>;

function fileParts(
  options: BufferOptions,
  parts: GivenParts,
  database: Database,
  reserve: ReserveFile,
) {
  const { path, maxBytes } = options;
  const budget = budgetOf(maxBytes);
  const pageBytes = database.pragma('page_size', { simple: true }) as number;
  database.pragma(`wal_autocheckpoint = ${Math.max(1, Math.floor(budget.wal / 4 / pageBytes))}`);
  database.pragma(`journal_size_limit = ${Math.floor(budget.wal / 4)}`);
  const onDamage = () => markDamaged(path);
  return { ...parts, database, options, budget, reserve, onDamage };
}

const damageMarker = (path: string): string => `${path}-damaged`;

/** For the next start. */
function markDamaged(path: string): void {
  const file = openSync(damageMarker(path), 'w');
  writeSync(file, 'SQLite met damage while the agent ran; salvaged at the next start\n');
  fsyncSync(file);
  closeSync(file);
}

const withDefaults = ({ clock, log, newId, fault }: OpenParts) => ({
  clock,
  log: log ?? silentLog,
  newId: newId ?? (() => randomBytes(16).toString('hex')),
  fault: fault ?? (() => {}),
});
