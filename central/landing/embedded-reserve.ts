import { closeSync, fsyncSync, openSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * A file that only takes room, beside the database: on a full disk it is given back, so that
 * retention can still write what it needs to write in order to drop what is old. It is as large as
 * the WAL that a checkpoint has to carry into the database.
 */
export class Reserve {
  readonly #path: string;
  readonly #bytes: number;

  constructor(path: string, bytes: number) {
    this.#path = `${path}-reserve`;
    this.#bytes = bytes;
  }

  get heldBytes(): number {
    return statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** True when there was something to give back. */
  release(): boolean {
    if (this.heldBytes === 0) return false;
    rmSync(this.#path);
    return true;
  }

  /** Takes it again once the disk has twice the room for it. */
  restore(): void {
    if (this.heldBytes >= this.#bytes) return;
    const { bavail, bsize } = statfsSync(dirname(this.#path));
    if (bavail * bsize < 2 * this.#bytes) return;
    const file = openSync(this.#path, 'w');
    try {
      const zeros = Buffer.alloc(1024 * 1024);
      for (let written = 0; written < this.#bytes; written += zeros.length) writeSync(file, zeros);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }
}
