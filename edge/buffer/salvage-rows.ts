import type { Database } from 'better-sqlite3';
import { isDamage } from './buffer-errors.ts';

type Row = { [column: string]: unknown };

export interface CopyOptions {
  /** Primary key, by which the table is walked. */
  key: string;
  accept?: (row: Row) => boolean;
}

/** How far ids are looked for behind a damaged place. */
const idMax = 2 ** 48;
const rowsPerCommit = 64;

/**
 * Copies the rows of a table that can be read, one by one, past damaged places. Never an index: it
 * may be damaged itself. Answers how many.
 */
export function copyRows(
  old: Database,
  fresh: Database,
  table: string,
  { key, accept = () => true }: CopyOptions,
): number {
  const columns = fresh.pragma(`table_info(${table})`) as { name: string }[];
  const names = columns.map(({ name }) => name);
  const insert = fresh.prepare(
    `INSERT OR IGNORE INTO ${table} (${names}) VALUES (${names.map((name) => `:${name}`)})`,
  );
  let copied = 0;
  const copy = (row: Row): void => {
    if (!accept(row)) return;
    try {
      copied += insert.run(row).changes;
    } catch {
      // A value of the wrong type, for example: what damage made of a row is no row.
    }
  };
  let waiting: Row[] = [];
  const flush = fresh.transaction((rows: Row[]) => rows.forEach(copy));
  for (const row of readableRows(old, table, key)) {
    waiting.push(row);
    if (waiting.length < rowsPerCommit) continue;
    flush(waiting);
    waiting = [];
  }
  flush(waiting);
  return copied;
}

function* readableRows(old: Database, table: string, key: string): Generator<Row> {
  if (key !== 'id') {
    yield* untilDamage(old, table);
    return;
  }
  const idAfter = `SELECT id FROM ${table} NOT INDEXED WHERE id >= ? ORDER BY id LIMIT 1`;
  const nextId = prepared(old, idAfter)?.pluck();
  const whole = prepared(old, `SELECT * FROM ${table} NOT INDEXED WHERE id = ?`);
  const idFrom = (from: number) => attempt(() => nextId?.get(from) as number | undefined);
  for (let from = 0; ; ) {
    const found = idFrom(from);
    const id = found === 'damaged' ? behindDamage(from, idFrom) : found;
    if (id === undefined) return;
    // The id may stand in a sound page while the rest of the row does not.
    const row = attempt(() => whole?.get(id) as Row | undefined);
    if (row !== 'damaged' && row !== undefined) yield row;
    from = id + 1;
  }
}

function prepared(old: Database, sql: string) {
  try {
    return old.prepare(sql);
  } catch {
    return undefined;
  }
}

function* untilDamage(old: Database, table: string): Generator<Row> {
  try {
    yield* old.prepare(`SELECT * FROM ${table}`).iterate() as IterableIterator<Row>;
  } catch {
    // Small tables of few pages: what comes behind the damage cannot be reached.
  }
}

function attempt<T>(read: () => T): T | 'damaged' {
  try {
    return read();
  } catch (error) {
    if (isDamage(error)) return 'damaged';
    throw error;
  }
}

/** The first id that can be reached behind damaged pages: leaps ahead, then halves back. */
function behindDamage(
  from: number,
  idFrom: (from: number) => number | undefined | 'damaged',
): number | undefined {
  let bad = from;
  let good = idMax;
  for (let leap = 1; from + leap < idMax; leap *= 2) {
    if (idFrom(from + leap) !== 'damaged') {
      good = from + leap;
      break;
    }
    bad = from + leap;
  }
  while (good - bad > 1) {
    const middle = Math.floor((bad + good) / 2);
    if (idFrom(middle) === 'damaged') bad = middle;
    else good = middle;
  }
  const id = idFrom(good);
  return id === 'damaged' ? undefined : id;
}
