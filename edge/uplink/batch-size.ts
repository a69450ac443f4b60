/**
 * How large a request may be, from what the link just did: as many bytes as it carries in about
 * `targetMs`, so that a retry never costs more than a few seconds of link time. A failure halves
 * it.
 */
export class BatchSize {
  #target: number;
  /** Bytes per millisecond, smoothed; undefined before the first success. */
  #rate: number | undefined;
  readonly #min: number;
  #max: number;
  readonly #targetMs: number;
  readonly #patienceMs: number;

  constructor(options: {
    min: number;
    max: number;
    start: number;
    targetMs: number;
    patienceMs: number;
  }) {
    this.#min = options.min;
    this.#max = options.max;
    this.#target = options.start;
    this.#targetMs = options.targetMs;
    this.#patienceMs = options.patienceMs;
  }

  /** Bytes to ask the buffer for. */
  get target(): number {
    return this.#target;
  }

  /** Whether a second request beside the first would only queue on the link. */
  get slow(): boolean {
    return this.#rate === undefined || this.#target < this.#max;
  }

  /** What central allows; never more from now on. */
  limit(bytes: number): void {
    this.#max = Math.max(this.#min, bytes);
    this.#target = Math.min(this.#target, this.#max);
  }

  /** Milliseconds after which a request of `bytes` is given up. */
  timeoutFor(bytes: number): number {
    return this.#patienceMs + (this.#rate === undefined ? 0 : (4 * bytes) / this.#rate);
  }

  succeeded(bytes: number, tookMs: number): void {
    const rate = bytes / Math.max(1, tookMs);
    // A small request measures latency, not the link: it may raise the estimate, never lower it.
    if (this.#rate === undefined) this.#rate = rate;
    else if (rate > this.#rate || bytes >= this.#target / 2) {
      this.#rate += 0.3 * (rate - this.#rate);
    }
    const fits = this.#rate * this.#targetMs;
    this.#target = Math.max(this.#min, Math.min(this.#max, this.#target * 2, fits));
  }

  /**
   * An outage says nothing of the link's speed: the estimate falls no further than where the
   * smallest request takes `targetMs`, or patience would grow without end while central is down.
   */
  failed(): void {
    this.#target = Math.max(this.#min, this.#target / 2);
    if (this.#rate !== undefined) {
      this.#rate = Math.min(this.#rate, Math.max(this.#rate / 2, this.#min / this.#targetMs));
    }
  }
}
