import { type StreamId, streamKey } from '#shared/wire/link.ts';

/** How long a stream that central cannot take now is left out, about. */
const pauseMs = 30_000;

interface Held {
  name: string;
  message: string;
  /** Monotonic, ms. */
  until: number;
}

/** Streams that wait because central cannot take their topics just now; all others go on. */
export class HeldStreams {
  readonly #held = new Map<string, Held>();
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  hold(stream: StreamId, message: string, now: number): void {
    const until = now + pauseMs * (0.5 + this.#random());
    const name = `${stream.topic}/${stream.partition}`;
    this.#held.set(streamKey(stream), { name, message, until });
  }

  /** By `streamKey`: what is to be left out of a read. */
  keys(now: number): ReadonlySet<string> {
    for (const [key, { until }] of this.#held) if (until <= now) this.#held.delete(key);
    return new Set(this.#held.keys());
  }

  /** When the first of them may be tried again; undefined: none waits. */
  get next(): number | undefined {
    const all = [...this.#held.values()].map(({ until }) => until);
    return all.length === 0 ? undefined : Math.min(...all);
  }

  /** For people. */
  get reasons(): string[] {
    return [...this.#held.values()].map(({ name, message }) => `${name}: ${message}`);
  }
}
