import type { Landing } from '../landing/landing.ts';
import { Lane } from './lane.ts';

/** The lanes of all aliases that are known, or have a request under way. */
export class Lanes {
  readonly #landing: Landing;
  readonly #lanes = new Map<string, Lane>();
  #closed = false;

  constructor(landing: Landing) {
    this.#landing = landing;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** What is known of the alias without asking the landing. */
  known(alias: string): Lane['known'] {
    return this.#lanes.get(alias)?.known;
  }

  /** Another collector moves it on: what is known is old, also to who comes next in the lane. */
  forget(alias: string): void {
    const lane = this.#lanes.get(alias);
    lane?.forget();
    if (lane?.idle) this.#lanes.delete(alias);
  }

  /** Runs `task` in the alias' turn. */
  async run<T>(alias: string, task: (lane: Lane) => Promise<T>): Promise<T> {
    const lane = this.#lanes.get(alias) ?? new Lane(alias, this.#landing);
    this.#lanes.set(alias, lane);
    try {
      return await lane.run(() => task(lane));
    } finally {
      // A name that somebody made up must not stay in memory.
      if (lane.idle && lane.known === undefined) this.#lanes.delete(alias);
    }
  }

  /** Resolves when all that was under way is done. */
  async close(): Promise<void> {
    this.#closed = true;
    const busy = [...this.#lanes.values()].filter((lane) => !lane.idle);
    await Promise.allSettled(busy.map((lane) => lane.done()));
  }
}
