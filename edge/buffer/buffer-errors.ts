/** Why a buffer cannot be opened; the message says what to do. */
export class BufferOpenError extends Error {
  override name = 'BufferOpenError';
  /**
   * `locked`: another process owns it. `newer-file`: written by a later version. `settings`: an
   * option is none. `missing`: there is no such file (reading commands). `unusable`: the disk says
   * no.
   */
  readonly code: 'locked' | 'newer-file' | 'settings' | 'missing' | 'unusable';

  constructor(code: BufferOpenError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** SQLite's result code, for example `SQLITE_FULL`; '' for any other error. */
export const sqliteCode = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

/** The file is not (or no longer) a database that SQLite can walk. */
export const isDamage = (error: unknown): boolean =>
  /^SQLITE_(CORRUPT|NOTADB)/.test(sqliteCode(error));

/** No room on the disk, as SQLite or the system says it. */
export const isDiskFull = (error: unknown): boolean =>
  /^(SQLITE_FULL|ENOSPC|EDQUOT)/.test(sqliteCode(error));
