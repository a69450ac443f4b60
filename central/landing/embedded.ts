import { randomBytes } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import type { FileStoreOptions } from './embedded-file-store.ts';
import { InlineHost } from './embedded-inline.ts';
import { EmbeddedLanding } from './embedded-landing.ts';
import type { StoreOptions } from './embedded-store.ts';
import { ThreadHost } from './embedded-thread.ts';
import type { Landing } from './landing.ts';

export interface EmbeddedParts {
  clock: Clock;
  log: Logger;
  /** Names a new landing; 32 hexadecimal digits. */
  newId?: () => string;
}

const randomId = (): string => randomBytes(16).toString('hex');

/**
 * The landing in one SQLite file, on a thread of its own. `retentionMs` counts since landing,
 * `maxBytes` caps all its files together (at least 128 MiB). Rejects with an EmbeddedOpenError,
 * whose message says what to do.
 */
export async function openEmbeddedLanding(
  options: FileStoreOptions,
  { clock, log, newId = randomId }: EmbeddedParts,
): Promise<Landing> {
  const host = await ThreadHost.open(options, newId());
  return new EmbeddedLanding(host, {
    centralId: host.centralId,
    maxBytes: options.maxBytes,
    clock,
    log,
  });
}

/**
 * The same store in this thread, for simulation: deterministic, and `step` may throw between any
 * two steps of a commit, which ends it there like a crash would; the commit rejects with
 * `uncertain`. A restart is a new landing over the same database; `close` leaves the database open.
 */
export function openInlineLanding(
  database: Database,
  options: StoreOptions,
  { clock, log, newId = randomId }: EmbeddedParts,
): Landing {
  const host = new InlineHost(database, options, newId);
  const { maxBytes } = options;
  return new EmbeddedLanding(host, { centralId: host.centralId, maxBytes, clock, log });
}
