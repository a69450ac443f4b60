/**
 * Two machines with one alias fence each other for ever: each hello ends the session of the other.
 * It harms nothing, but it costs; so each gets its turn for a while, and a person is told.
 */
export interface ChurnRules {
  /** Takeovers within `windowMs` that are taken for an accident. */
  takeovers: number;
  /** Hellos of any kind within `windowMs`. */
  hellos: number;
  windowMs: number;
}

export const churnRules: ChurnRules = { takeovers: 4, hellos: 60, windowMs: 60_000 };

export type ChurnVerdict =
  | { verdict: 'fine' }
  | { verdict: 'clone' | 'too-often'; retryAfterSeconds: number };

/** Of one alias. Times: the monotonic clock, ms. */
export class Churn {
  readonly #rules: ChurnRules;
  #hellos: number[] = [];
  #takeovers: number[] = [];

  constructor(rules: ChurnRules = churnRules) {
    this.#rules = rules;
  }

  /**
   * Judges a hello before it is decided. `fences`: it would end a session that it neither is nor
   * continues.
   */
  hello(now: number, fences: boolean): ChurnVerdict {
    const { windowMs, takeovers, hellos } = this.#rules;
    const recent = (at: number) => now - at < windowMs;
    this.#hellos = this.#hellos.filter(recent);
    this.#takeovers = this.#takeovers.filter(recent);
    if (fences && this.#takeovers.length >= takeovers) {
      return { verdict: 'clone', retryAfterSeconds: wait(now, this.#takeovers[0]!, windowMs) };
    }
    if (this.#hellos.length >= hellos) {
      return { verdict: 'too-often', retryAfterSeconds: wait(now, this.#hellos[0]!, windowMs) };
    }
    this.#hellos.push(now);
    return { verdict: 'fine' };
  }

  /** A session was ended by one that does not continue it. */
  takeover(now: number): void {
    this.#takeovers.push(now);
  }
}

const wait = (now: number, oldest: number, windowMs: number): number =>
  Math.max(1, Math.ceil((oldest + windowMs - now) / 1000));
