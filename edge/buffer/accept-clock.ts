import type { Clock } from '#shared/std/clock.ts';

/** What has to be remembered of the clock over a restart. */
export interface ClockMark {
  /** Accept clock, ms. */
  accept: number;
  /** Wall clock at the same moment, ms. */
  wall: number;
}

/**
 * The accept clock gives every record the time it was accepted; ages are differences of it. Within
 * a run it follows the monotonic clock, so that a step of the wall clock makes no record older or
 * younger. Over a restart it goes on by what the wall clock says has passed, never back. So a
 * gateway without a battery clock that wakes up in 1970, and is set right later, still tells true
 * ages.
 */
export class AcceptClock {
  readonly #clock: Clock;
  readonly #start: number;
  readonly #startedAt: number;

  /** `newest` is the latest acceptance on record: the mark may be a little older than it. */
  constructor(clock: Clock, mark: ClockMark | undefined, newest: number) {
    this.#clock = clock;
    this.#startedAt = clock.monotonic();
    const wall = clock.now();
    const passed = mark === undefined ? 0 : Math.max(0, wall - mark.wall);
    const resumed = mark === undefined ? wall : mark.accept + passed;
    this.#start = Math.max(0, resumed, newest);
  }

  /** Whole milliseconds. */
  now(): number {
    return Math.floor(this.#start + this.#clock.monotonic() - this.#startedAt);
  }

  mark(): ClockMark {
    return { accept: this.now(), wall: this.#clock.now() };
  }
}
