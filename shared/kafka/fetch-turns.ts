import type { TopicPartition } from './kafka.ts';

/**
 * A broker fills its answer in the order asked, up to its size, and only what it comes to first may
 * have a batch beyond its own limit: so those go first that had nothing for longest.
 */
export class FetchTurns {
  /** When it had something last; in that order. */
  readonly #served = new Map<string, number>();
  #turn = 0;

  order<T extends TopicPartition>(asked: readonly T[]): T[] {
    const turn = (one: T): number => this.#served.get(key(one)) ?? 0;
    return [...asked].sort((a, b) => turn(a) - turn(b));
  }

  served(one: TopicPartition): void {
    this.#turn += 1;
    this.#served.delete(key(one));
    this.#served.set(key(one), this.#turn);
  }

  /** Of those that nobody asks for any more: all but the last, when there are many more. */
  forget(wanted: number): void {
    const most = 1000 + 2 * wanted;
    for (const oldest of this.#served.keys()) {
      if (this.#served.size <= most) return;
      this.#served.delete(oldest);
    }
  }
}

const key = ({ topic, partition }: TopicPartition): string => `${topic} ${partition}`;
