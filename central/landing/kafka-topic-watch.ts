import type { Clock } from '#shared/std/clock.ts';
import type { TopicKeeper } from './kafka-topics.ts';

export interface TopicWatchParts {
  keeper: TopicKeeper;
  clock: Clock;
  /** Every topic that this central writes, whoever of the collectors does. */
  topics: () => readonly string[];
  /** What such a topic would be made with. */
  wanted: { readonly [name: string]: string };
}

const roundMs = 30_000;
/** Of a fleet with more topics a part is looked at in each round, and each that did not fit. */
const topicsPerRound = 200;
const askedAtOnce = 8;

/**
 * Looks again and again whether topics' settings fit: on every collector, so that each can tell,
 * and so that records that were held back land soon after somebody has seen to it.
 */
export class TopicWatch {
  readonly #parts: TopicWatchParts;
  readonly #stopped = new AbortController();
  readonly #done: Promise<void>;
  /** Where the last round ended. */
  #last = '';

  constructor(parts: TopicWatchParts) {
    this.#parts = parts;
    this.#done = this.#run();
  }

  async close(): Promise<void> {
    this.#stopped.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await this.#round();
      await clock.sleep(roundMs, signal).catch(() => {});
    }
  }

  async #round(): Promise<void> {
    const { keeper, wanted } = this.#parts;
    const left = this.#due();
    const ask = async () => {
      for (let topic = left.pop(); topic !== undefined; topic = left.pop()) {
        if (this.#stopped.signal.aborted) return;
        // Where Kafka does not answer, what was found stands; /readyz tells that it does not.
        const { configs = wanted } = keeper.seen.get(topic) ?? {};
        await keeper.look(topic, configs).catch(() => {});
      }
    };
    await Promise.all(Array.from({ length: askedAtOnce }, ask));
  }

  #due(): string[] {
    const { keeper, topics } = this.#parts;
    const all = [...new Set([...topics(), ...keeper.seen.keys()])].sort();
    const behind = all.findIndex((topic) => topic > this.#last);
    const turned = behind < 0 ? all : [...all.slice(behind), ...all.slice(0, behind)];
    const next = turned.slice(0, topicsPerRound);
    this.#last = next.at(-1) ?? '';
    return [...new Set([...next, ...all.filter((topic) => keeper.troublesOf(topic).length > 0)])];
  }
}
