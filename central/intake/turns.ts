import { setImmediate as nextTurn } from 'node:timers/promises';

/** Work in one go before others get their turn, in bytes walked: a few milliseconds. */
const bytesPerTurn = 256 * 1024;

/** Lets the requests of other sites go on while a large one is worked through. */
export class Turns {
  #bytes = 0;

  /** Told after each piece of work; waits when it is somebody else's turn. */
  async spent(bytes: number): Promise<void> {
    this.#bytes += bytes;
    if (this.#bytes < bytesPerTurn) return;
    this.#bytes = 0;
    await nextTurn();
  }
}
