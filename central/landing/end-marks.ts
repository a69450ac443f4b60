const marksMax = 64;

/**
 * Through when somebody who reads a log has all of it: its end as it was at some times, and how far
 * he has come. Times are those before the end was asked for. Where many ends are ahead of him some
 * are forgotten: then the answer is older than it could be, and never newer.
 */
export class EndMarks {
  readonly #ahead: { end: number; at: number }[] = [];
  #reachedAt: number | null = null;

  seen(end: number, at: number): void {
    this.#ahead.push({ end, at });
    if (this.#ahead.length <= marksMax) return;
    for (let i = 1; i < this.#ahead.length; i++) this.#ahead.splice(i, 1);
  }

  /** null: not known yet. */
  completeAt(next: number): number | null {
    while (this.#ahead.length > 0 && this.#ahead[0]!.end <= next) {
      this.#reachedAt = this.#ahead.shift()!.at;
    }
    return this.#reachedAt;
  }
}
