const bucketMs = 1_000;
const buckets = 10;

/** Amounts per second over the last ten seconds. Times: ms, never going back. */
export class Rate {
  readonly #sums = new Float64Array(buckets);
  #newest = Number.NEGATIVE_INFINITY;

  add(now: number, amount: number): void {
    const bucket = this.#advance(now);
    this.#sums[bucket % buckets]! += amount;
  }

  perSecond(now: number): number {
    this.#advance(now);
    return this.#sums.reduce((sum, amount) => sum + amount, 0) / ((buckets * bucketMs) / 1000);
  }

  #advance(now: number): number {
    const bucket = Math.max(0, Math.floor(now / bucketMs));
    if (bucket - this.#newest >= buckets) this.#sums.fill(0);
    else for (let i = this.#newest + 1; i <= bucket; i++) this.#sums[i % buckets] = 0;
    this.#newest = Math.max(this.#newest, bucket);
    return this.#newest;
  }
}
