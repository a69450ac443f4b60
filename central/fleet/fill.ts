const samplesMax = 12;

/** When a buffer will be full, if it goes on as over the last minute or so. */
export class Fill {
  readonly #samples: { at: number; used: number }[] = [];

  add(at: number, usedBytes: number): void {
    this.#samples.push({ at, used: usedBytes });
    if (this.#samples.length > samplesMax) this.#samples.shift();
  }

  /** Seconds; 0: it is full; null: it is not filling, or too little is known. */
  etaSeconds(maxBytes: number): number | null {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (!first || !last) return null;
    if (last.used >= maxBytes) return 0;
    const perMs = (last.used - first.used) / (last.at - first.at);
    if (!Number.isFinite(perMs) || perMs <= 0) return null;
    return Math.round((maxBytes - last.used) / perMs / 1000);
  }
}
