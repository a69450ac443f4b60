import type { Clock } from '#shared/std/clock.ts';

/**
 * The line on which the fleet counts: the monotonic clock, so that a step of the wall clock changes
 * neither lag nor state. Times for people are put on the wall clock as it is when they are shown.
 */
export class Timeline {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.monotonic();
  }

  /** Wall clock of a point on the line, ms since the Unix epoch. */
  wall(at: number): number {
    return Math.round(this.#clock.now() - (this.#clock.monotonic() - at));
  }

  wallOrNull(at: number | null): number | null {
    return at === null ? null : this.wall(at);
  }

  /** Where a wall-clock time of an earlier run is on the line; never ahead of now. */
  fromWall(ms: number): number {
    return this.#clock.monotonic() - Math.max(0, this.#clock.now() - ms);
  }
}
