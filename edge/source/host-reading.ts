/** One look at one thing. Base units, named at the end of each field's name. */
export interface Reading {
  /**
   * The record's key: the kind, and which one where there are several: `disk:/`, `network:eth0`.
   */
  key: string;
  kind: string;
  fields: { readonly [name: string]: string | number };
}

export type Counters = { readonly [name: string]: number };

/** Counters that only go up, compared with those of the previous round. */
export class CounterRates {
  #before = new Map<string, { at: number; counters: Counters }>();
  #now = new Map<string, { at: number; counters: Counters }>();

  /** Begins a round; what was not seen in the one before is forgotten. */
  next(): void {
    this.#before = this.#now;
    this.#now = new Map();
  }

  /**
   * How far each counter went since the previous round, and the seconds between; undefined
   * without a previous one. A counter that went back (a card pulled and plugged in) has no
   * difference to tell: then all are undefined too, unless `mayGoBack`, where it counts as 0.
   */
  since(
    key: string,
    counters: Counters,
    atMs: number,
    mayGoBack = false,
  ): { seconds: number; by: Counters } | undefined {
    this.#now.set(key, { at: atMs, counters });
    const before = this.#before.get(key);
    if (before === undefined || atMs <= before.at) return undefined;
    const by: { [name: string]: number } = {};
    for (const [name, value] of Object.entries(counters)) {
      const difference = value - (before.counters[name] ?? 0);
      if (difference < 0 && !mayGoBack) return undefined;
      by[name] = Math.max(0, difference);
    }
    return { seconds: (atMs - before.at) / 1000, by };
  }
}

/** Enough digits for a curve, few enough for a slow link. */
export const rounded = (value: number, digits: number): number =>
  Math.round(value * 10 ** digits) / 10 ** digits;

/** `part` of `whole`, 0 to 1. */
export const ratio = (part: number, whole: number): number =>
  whole <= 0 ? 0 : rounded(Math.min(1, Math.max(0, part / whole)), 4);

/** Words of a line, split at white space. */
export const words = (line: string): string[] => line.trim().split(/\s+/);
