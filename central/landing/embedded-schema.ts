import type { Database } from 'better-sqlite3';
import { EmbeddedOpenError } from './embedded-errors.ts';

/**
 * The tables of the embedded landing.
 *
 *   batches            a sealed RecordBatch, stored once, and where it came from
 *   log                one run of offsets of a topic-partition, [base_offset, base_offset + count),
 *                      is that batch. The remote topic's row and each merged topic's row name the
 *                      same one. log_id is landing order: retention goes by it
 *   topics, partitions end_offset is the next free one; a partition without a row is empty.
 *                      A topic's kind was given under its naming, and binds only there
 *   aliases, lineages  the current session and what the intake remembers of earlier ones
 *   checkpoints        per (alias, epoch, topic, partition), with merged_offsets and lost_ranges
 *   fleet, losses      latest heartbeat; the ledger
 *   registry           enrolments and join tokens
 *   meta               central_id, probes
 */
const version1 = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;

CREATE TABLE aliases (
  alias_id INTEGER PRIMARY KEY AUTOINCREMENT,
  alias TEXT NOT NULL UNIQUE,
  epoch TEXT NOT NULL,
  session TEXT NOT NULL,
  session_used INTEGER NOT NULL,
  adopt_allowed INTEGER NOT NULL,
  disabled INTEGER NOT NULL,
  first_seen_at INTEGER NOT NULL,
  landed_records INTEGER NOT NULL,
  lost_records INTEGER NOT NULL
) STRICT;

CREATE TABLE lineages (
  alias_id INTEGER PRIMARY KEY,
  lineage TEXT NOT NULL
) STRICT;

CREATE TABLE fleet (
  alias_id INTEGER PRIMARY KEY,
  received_at INTEGER NOT NULL,
  heartbeat TEXT NOT NULL
) STRICT;

CREATE TABLE checkpoints (
  checkpoint_id INTEGER PRIMARY KEY AUTOINCREMENT,
  alias_id INTEGER NOT NULL,
  epoch TEXT NOT NULL,
  topic TEXT NOT NULL,
  partition INTEGER NOT NULL,
  partition_count INTEGER NOT NULL,
  through INTEGER NOT NULL,
  landed_records INTEGER NOT NULL,
  landed_bytes INTEGER NOT NULL,
  lost_records INTEGER NOT NULL,
  remote_topic_id INTEGER,
  remote_offset INTEGER NOT NULL,
  accepted_at INTEGER,
  landed_at INTEGER,
  session TEXT NOT NULL,
  UNIQUE (alias_id, epoch, topic, partition)
) STRICT;

CREATE TABLE merged_offsets (
  checkpoint_id INTEGER NOT NULL,
  topic_id INTEGER NOT NULL,
  end_offset INTEGER NOT NULL,
  PRIMARY KEY (checkpoint_id, topic_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE lost_ranges (
  checkpoint_id INTEGER NOT NULL,
  number INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (checkpoint_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE topics (
  topic_id INTEGER PRIMARY KEY,
  topic TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('remote', 'merged', 'internal')),
  partition_count INTEGER NOT NULL
) STRICT;

CREATE TABLE partitions (
  partition_id INTEGER PRIMARY KEY,
  topic_id INTEGER NOT NULL,
  partition INTEGER NOT NULL,
  start_offset INTEGER NOT NULL,
  end_offset INTEGER NOT NULL,
  UNIQUE (topic_id, partition)
) STRICT;

CREATE TABLE batches (
  batch_id INTEGER PRIMARY KEY,
  checkpoint_id INTEGER,
  first_sequence INTEGER,
  source_runs TEXT,
  batch BLOB NOT NULL
) STRICT;

CREATE TABLE log (
  log_id INTEGER PRIMARY KEY,
  partition_id INTEGER NOT NULL,
  base_offset INTEGER NOT NULL,
  count INTEGER NOT NULL,
  batch_id INTEGER NOT NULL,
  landed_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX log_by_offset ON log (partition_id, base_offset);
CREATE INDEX log_by_batch ON log (batch_id);

CREATE TABLE losses (
  alias TEXT NOT NULL,
  number INTEGER NOT NULL,
  landed_at INTEGER NOT NULL,
  loss TEXT NOT NULL,
  PRIMARY KEY (alias, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX losses_by_time ON losses (landed_at);
`;

const version2 = `
CREATE TABLE registry (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
`;

const version3 = `
ALTER TABLE topics ADD COLUMN naming TEXT NOT NULL DEFAULT 'default';
`;

const version4 = `
ALTER TABLE checkpoints ADD COLUMN source_incarnation TEXT;
ALTER TABLE checkpoints ADD COLUMN source_next INTEGER;
`;

/** Step i takes a file from version i to i + 1. Never edit one that was released: add another. */
const migrations: readonly string[] = [version1, version2, version3, version4];
export const schemaVersion = migrations.length;

/** "TRBC": marks the file as a landing of ours (SQLite header, application id). */
const applicationId = 0x54524243;

/**
 * Large enough that a 512 KiB batch is 64 pages, small enough that a small commit writes little.
 */
export const pageBytes = 8192;

/**
 * Makes `database` ready: settings, tables, migrations. A new one gets `newCentralId()`. O(1): no
 * table is read beyond its first row. Returns the central id. Throws an EmbeddedOpenError.
 */
export function prepareSchema(database: Database, newCentralId: () => string): string {
  if (isEmpty(database)) {
    database.pragma(`page_size = ${pageBytes}`);
    database.pragma('auto_vacuum = INCREMENTAL');
  } else {
    refuseForeign(database);
  }
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.pragma('wal_autocheckpoint = 0'); // the store checkpoints after it has answered
  database.pragma('cache_size = -16384');
  database.pragma('temp_store = MEMORY');
  database.transaction(() => migrate(database, newCentralId)).immediate();
  return centralIdOf(database);
}

const isEmpty = (database: Database): boolean =>
  database.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0;

function refuseForeign(database: Database): void {
  if (database.pragma('application_id', { simple: true }) !== applicationId) {
    throw new EmbeddedOpenError(
      'foreign',
      `${database.name} is an SQLite file, but not a landing of tributary-central; ` +
        'set landing.path to another file',
    );
  }
  const found = versionOf(database);
  if (found <= schemaVersion) return;
  throw new EmbeddedOpenError(
    'newer',
    `${database.name} was written by a newer tributary-central (its format is ${found}, ` +
      `this one knows ${schemaVersion}); install that version again`,
  );
}

const versionOf = (database: Database): number =>
  database.pragma('user_version', { simple: true }) as number;

function migrate(database: Database, newCentralId: () => string): void {
  const found = versionOf(database);
  for (const step of migrations.slice(found)) database.exec(step);
  if (found === 0) {
    database.pragma(`application_id = ${applicationId}`);
    database.prepare("INSERT INTO meta VALUES ('central_id', ?)").run(newCentralId());
  }
  if (found < schemaVersion) database.pragma(`user_version = ${schemaVersion}`);
}

function centralIdOf(database: Database): string {
  const id = database.prepare("SELECT value FROM meta WHERE key = 'central_id'").pluck().get();
  if (typeof id === 'string') return id;
  throw new EmbeddedOpenError('corrupt', `${database.name} has lost its central id`);
}
