import type { Readable } from 'node:stream';

/** Why a client is not read: its CONNECT is looked at, no room, it reads not either, the end. */
export type Hold = 'admission' | 'room' | 'drain' | 'stop';

/** Lets a stream be read while nobody holds it. */
export class Valve {
  readonly #stream: Readable;
  readonly #opened: () => void;
  readonly #holds = new Set<Hold>();

  /** `opened` is called when the last hold is released, before the stream is read on. */
  constructor(stream: Readable, opened: () => void) {
    this.#stream = stream;
    this.#opened = opened;
  }

  get open(): boolean {
    return this.#holds.size === 0;
  }

  held(why: Hold): boolean {
    return this.#holds.has(why);
  }

  hold(why: Hold): void {
    this.#holds.add(why);
    this.#stream.pause();
  }

  release(why: Hold): void {
    if (!this.#holds.delete(why) || !this.open) return;
    this.#stream.resume();
    this.#opened();
  }
}
