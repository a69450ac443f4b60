import { LandingError } from './landing.ts';

/** Why the file could not be opened; the message says what to do. */
export class EmbeddedOpenError extends Error {
  override name = 'EmbeddedOpenError';
  /**
   * `locked`: another process has it. `newer`: written by a newer version. `foreign`: somebody
   * else's SQLite file. `corrupt`: damaged. `unusable`: permissions, folder, disk. `settings`: a
   * bad option.
   */
  readonly code: 'locked' | 'newer' | 'foreign' | 'corrupt' | 'unusable' | 'settings';

  constructor(code: EmbeddedOpenError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** SQLite's own name of an error, for example SQLITE_IOERR_FSYNC; undefined for any other error. */
export const sqliteCode = (error: unknown): string | undefined => {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && code.startsWith('SQLITE_') ? code : undefined;
};

/**
 * What went wrong in a commit, in the port's words. SQLITE_FULL rolls back before the commit frame
 * is whole, so nothing was written; of any other failure we do not say what the disk holds.
 */
export function toLandingError(error: unknown): LandingError {
  if (error instanceof LandingError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (sqliteCode(error) === 'SQLITE_FULL') {
    return new LandingError(
      'full',
      'no room left for the landing: free disk space, or raise landing.max_bytes',
      {
        cause: error,
      },
    );
  }
  const hint = isDamage(error) ? `; ${damageHint}` : '';
  return new LandingError('uncertain', `the landing could not commit: ${message}${hint}`, {
    cause: error,
  });
}

export const isDamage = (error: unknown): boolean =>
  /^SQLITE_(CORRUPT|NOTADB)/.test(sqliteCode(error) ?? '');

/**
 * Edges' cursors belong to the file's central id, and what they delivered is in it alone: starting
 * anew by ourselves would hide a loss.
 */
export const damageHint =
  'the file is damaged: stop central, then put a backup of it in place, or recover it with ' +
  '`sqlite3 FILE .recover`; only when both fail move it away, and every edge then asks for ' +
  '`tributary-central edges adopt`, with what was landed and not read yet declared lost';
