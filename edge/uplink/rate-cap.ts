import type { Clock } from '#shared/std/clock.ts';

/** Token bucket on the bytes that leave for central; one second's worth may go at once. */
export class RateCap {
  readonly #bytesPerSecond: number;
  readonly #clock: Clock;
  #tokens: number;
  #filledAt: number;

  constructor(bytesPerSecond: number, clock: Clock) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#clock = clock;
    this.#tokens = bytesPerSecond;
    this.#filledAt = clock.monotonic();
  }

  /**
   * Resolves when `bytes` may be sent. More than a second's worth runs into debt and waits it out.
   */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    this.#refill();
    if (this.#tokens <= 0) {
      await this.#clock.sleep((-this.#tokens / this.#bytesPerSecond) * 1000 + 1, signal);
      this.#refill();
    }
    this.#tokens -= bytes;
  }

  #refill(): void {
    const now = this.#clock.monotonic();
    const earned = ((now - this.#filledAt) / 1000) * this.#bytesPerSecond;
    this.#tokens = Math.min(this.#bytesPerSecond, this.#tokens + earned);
    this.#filledAt = now;
  }
}
