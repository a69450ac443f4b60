import type { Database } from 'better-sqlite3';
import { BufferOpenError } from './buffer-errors.ts';

/**
 * A *log* is all that one topic-partition ever held here, in *positions* that count up for ever. A
 * stream is the part of a log that belongs to one epoch: sequence = position - streams.base. So a
 * fork renames the rest of a log without touching a segment; `segments.stream` says under which
 * stream a batch was sealed, and where that is another one by now it is sealed again on its way
 * out.
 *
 * Segments and losses that have not landed tile a stream's positions behind its cursor without a
 * hole. Sizes that are read alone stand before the blob, which may span pages.
 */
const version = 3;

const tables = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
  CREATE TABLE streams (
    id INTEGER PRIMARY KEY,
    log INTEGER NOT NULL,
    epoch TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    base INTEGER NOT NULL,
    head INTEGER NOT NULL,
    cursor INTEGER NOT NULL,
    confirmed INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    acked INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    backlog_records INTEGER NOT NULL,
    backlog_bytes INTEGER NOT NULL,
    stored_bytes INTEGER NOT NULL,
    losses_pending INTEGER NOT NULL,
    oldest INTEGER,
    newest INTEGER NOT NULL,
    UNIQUE (epoch, topic, partition)
  ) STRICT;
  CREATE TABLE segments (
    id INTEGER PRIMARY KEY,
    log INTEGER NOT NULL,
    pos INTEGER NOT NULL,
    count INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    size INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    accepted_from INTEGER NOT NULL,
    accepted_to INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    batch BLOB NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX segments_place ON segments (log, pos);
  CREATE TABLE losses (
    id INTEGER PRIMARY KEY,
    log INTEGER NOT NULL,
    pos INTEGER NOT NULL,
    span INTEGER NOT NULL,
    records INTEGER NOT NULL,
    scope TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    accepted_from INTEGER,
    accepted_to INTEGER,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    epoch TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    first INTEGER NOT NULL,
    declared_at INTEGER NOT NULL,
    offered INTEGER NOT NULL,
    doubtful INTEGER NOT NULL,
    clipped INTEGER NOT NULL,
    landed INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX losses_pending ON losses (log, pos) WHERE landed = 0;
  CREATE INDEX losses_place ON losses (epoch, topic, partition, first);
  CREATE TABLE positions (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE idempotency (
    id INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    key TEXT NOT NULL,
    at INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    declared_lost INTEGER NOT NULL,
    UNIQUE (topic, key)
  ) STRICT;
  CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY,
    epoch TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    at INTEGER NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    stored INTEGER NOT NULL,
    batch BLOB NOT NULL
  ) STRICT;
`;

/** `id` is the segment's. Most sources have no runs: so they cost the segments nothing. */
const sourceRuns = `
  CREATE TABLE source_runs (id INTEGER PRIMARY KEY, runs BLOB NOT NULL) STRICT;
  CREATE TRIGGER source_runs_go AFTER DELETE ON segments
    BEGIN DELETE FROM source_runs WHERE id = OLD.id; END;
`;

/** How far sources have landed through other buffers, as central told. */
const landedPlaces = `
  CREATE TABLE landed_places (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    incarnation TEXT NOT NULL,
    next INTEGER NOT NULL,
    PRIMARY KEY (topic, partition, incarnation)
  ) STRICT, WITHOUT ROWID;
`;

/** `migrations[n]` brings a file from version n to n + 1. */
const migrations: readonly string[] = [tables, sourceRuns, landedPlaces];

export function schemaVersion(database: Database): number {
  return database.pragma('user_version', { simple: true }) as number;
}

/** Throws a BufferOpenError `newer-file`. */
export function refuseNewer(database: Database): void {
  const found = schemaVersion(database);
  if (found <= version) return;
  throw new BufferOpenError(
    'newer-file',
    `${database.name} was written by a later version of tributary-edge (format ${found}, this one knows ` +
      `up to ${version}); install that version again, or name another file in buffer.path`,
  );
}

/** Sets how the file is written, and creates or migrates the tables. */
export function prepareSchema(database: Database): void {
  // First: even a setting would change a file that is not ours to change.
  refuseNewer(database);
  database.pragma('auto_vacuum = INCREMENTAL');
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.pragma('foreign_keys = OFF');
  database.pragma('temp_store = MEMORY');
  database.pragma('cache_size = -4096');
  const migrate = database.transaction(() => {
    for (const migration of migrations.slice(schemaVersion(database))) database.exec(migration);
    database.pragma(`user_version = ${version}`);
  });
  if (schemaVersion(database) < version) migrate.immediate();
}
