import { Backoff } from '#shared/std/backoff.ts';
import type { Clock } from '#shared/std/clock.ts';

/** A broker that comes back is found within a second, however long it was away. */
const delay = { baseMs: 50, maxMs: 1000 } as const;

/** How long to wait before connecting to an address that failed: none, then up to a second. */
export class ReconnectDelays {
  readonly #failing = new Map<string, { backoff: Backoff; notBeforeMs: number }>();
  readonly #clock: Clock;
  readonly #random: () => number;

  constructor({ clock, random }: { clock: Clock; random: () => number }) {
    this.#clock = clock;
    this.#random = random;
  }

  next(address: string): number {
    const notBeforeMs = this.#failing.get(address)?.notBeforeMs ?? 0;
    return Math.max(0, notBeforeMs - this.#clock.monotonic());
  }

  failed(address: string): void {
    const backoff =
      this.#failing.get(address)?.backoff ?? new Backoff({ ...delay, random: this.#random });
    this.#failing.set(address, { backoff, notBeforeMs: this.#clock.monotonic() + backoff.next() });
  }

  succeeded(address: string): void {
    this.#failing.delete(address);
  }
}
