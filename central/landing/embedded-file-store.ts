import { statSync } from 'node:fs';
import { EmbeddedOpenError, sqliteCode } from './embedded-errors.ts';
import { type OpenedFile, openLandingFile } from './embedded-open.ts';
import { Reserve } from './embedded-reserve.ts';
import { checkpointBytes, EmbeddedStore, type StoreOptions } from './embedded-store.ts';

export interface FileStoreOptions extends Pick<StoreOptions, 'naming'> {
  path: string;
  /** Since landing. */
  retentionMs: number;
  /** All files together. */
  maxBytes: number;
}

/** The WAL when a checkpoint falls due, and the largest group commit on top of it. */
const walBytesMax = 2 * checkpointBytes;
const reserveBytes = checkpointBytes;
export const maxBytesMin = 128 * 1024 * 1024;

/** The store over its file: what a disk can do to it is handled here. */
export class FileStore extends EmbeddedStore {
  readonly centralId: string;
  readonly #file: OpenedFile;
  readonly #reserve: Reserve;
  readonly #path: string;

  private constructor(file: OpenedFile, { path, retentionMs, maxBytes, naming }: FileStoreOptions) {
    super(file.database, { naming, retentionMs, maxBytes: maxBytes - walBytesMax - reserveBytes });
    file.database.pragma(`journal_size_limit = ${walBytesMax}`);
    this.centralId = file.centralId;
    this.#file = file;
    this.#path = path;
    this.#reserve = new Reserve(path, reserveBytes);
  }

  /** Throws an EmbeddedOpenError. */
  static open(options: FileStoreOptions, newCentralId: () => string): FileStore {
    checkOptions(options);
    return new FileStore(openLandingFile(options.path, newCentralId), options);
  }

  override usedBytes(): number {
    const wal = statSync(`${this.#path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
    return super.usedBytes() + wal + this.#reserve.heldBytes;
  }

  /** On a full disk the reserve is given back, so that what is old can still be dropped. */
  override retain(now: number): boolean {
    try {
      const more = super.retain(now);
      if (!more) this.#reserve.restore();
      return more;
    } catch (error) {
      if (sqliteCode(error) !== 'SQLITE_FULL' || !this.#reserve.release()) throw error;
      this.checkpointWal('now');
      return super.retain(now);
    }
  }

  close(): void {
    this.#file.close();
  }
}

function checkOptions({ path, retentionMs, maxBytes }: FileStoreOptions): void {
  if (path === '') throw new EmbeddedOpenError('settings', 'landing.path is empty; name a file');
  if (!(retentionMs > 0)) {
    throw new EmbeddedOpenError(
      'settings',
      `landing.retention is ${retentionMs} ms; it must be longer than nothing, for example "7d"`,
    );
  }
  if (!(maxBytes >= maxBytesMin)) {
    throw new EmbeddedOpenError(
      'settings',
      `landing.max_bytes is ${maxBytes}; at least ${maxBytesMin} (128 MiB) are needed`,
    );
  }
}
