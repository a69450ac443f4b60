/**
 * A broker answers the requests of one connection one after the other, and a fetch that waits for
 * data holds up what is behind it: so every fetch has the connection for itself, and a connection
 * is used again when it is free.
 */
export class FetchLanes {
  readonly #taken = new Map<number, Set<string>>();

  take(node: number): string {
    const taken = this.#taken.get(node) ?? new Set();
    this.#taken.set(node, taken);
    let number = 1;
    while (taken.has(laneName(number))) number += 1;
    taken.add(laneName(number));
    return laneName(number);
  }

  giveBack(node: number, lane: string): void {
    this.#taken.get(node)?.delete(lane);
  }
}

const laneName = (number: number): string => `fetch ${number}`;
