import { closeSync, fsyncSync, openSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** Room that is held back for a full disk. */
export interface Reserve {
  /** False when the disk has no room for it now. */
  hold(): boolean;
  /** True when there was something to give back. */
  release(): boolean;
}

/** In memory there is no disk to fill. */
export const noReserve: Reserve = { hold: () => true, release: () => false };

/**
 * A file that only takes room, beside the database: on a full disk it is given back, so that
 * acknowledgements can still be written and what they passed be dropped. Nothing is appended before
 * it is held again.
 */
export class ReserveFile implements Reserve {
  readonly #path: string;
  readonly #bytes: number;
  #held: boolean;

  constructor(path: string, bytes: number) {
    this.#path = `${path}-reserve`;
    this.#bytes = bytes;
    this.#held = (statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0) >= bytes;
  }

  hold(): boolean {
    if (this.#held) return true;
    const { bavail, bsize } = statfsSync(dirname(this.#path));
    if (bavail * bsize < 2 * this.#bytes) return false;
    const file = openSync(this.#path, 'w');
    try {
      const block = Buffer.alloc(256 * 1024, 0x5a);
      for (let written = 0; written < this.#bytes; written += block.length) {
        writeSync(file, block, 0, Math.min(block.length, this.#bytes - written));
      }
      fsyncSync(file);
      this.#held = true;
    } catch {
      // Somebody else took the room meanwhile: not held, and the part that was written goes.
      rmSync(this.#path, { force: true });
    } finally {
      closeSync(file);
    }
    return this.#held;
  }

  release(): boolean {
    if (!this.#held) return false;
    rmSync(this.#path, { force: true });
    this.#held = false;
    return true;
  }
}
