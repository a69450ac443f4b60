/**
 * What is read and not yet durable, bounded: who finds it full stops reading its socket, and TCP
 * carries the back-pressure on. There is room again at half, so that reading does not stutter.
 * A child counts in its parent too (one client of a listener in the listener).
 */
export class Budget {
  readonly #limit: { bytes: number; messages: number };
  readonly #parent: Budget | undefined;
  #bytes = 0;
  #messages = 0;
  #waiting: (() => void)[] = [];

  constructor(limit: { bytes: number; messages: number }, parent?: Budget) {
    this.#limit = limit;
    this.#parent = parent;
  }

  get full(): boolean {
    return this.#blocker() !== undefined;
  }

  take(bytes: number, messages: number): void {
    this.#bytes += bytes;
    this.#messages += messages;
    this.#parent?.take(bytes, messages);
  }

  give(bytes: number, messages: number): void {
    this.#bytes -= bytes;
    this.#messages -= messages;
    if (this.#waiting.length > 0 && this.#below(0.5)) {
      for (const callback of this.#waiting.splice(0)) callback();
    }
    this.#parent?.give(bytes, messages);
  }

  /** Calls back once there is room here and above, at once if there is. */
  whenRoom(callback: () => void): void {
    const blocker = this.#blocker();
    if (!blocker) callback();
    else blocker.#waiting.push(() => this.whenRoom(callback));
  }

  #below(share: number): boolean {
    return (
      this.#bytes <= this.#limit.bytes * share && this.#messages <= this.#limit.messages * share
    );
  }

  #blocker(): Budget | undefined {
    if (this.#bytes >= this.#limit.bytes || this.#messages >= this.#limit.messages) return this;
    return this.#parent ? this.#parent.#blocker() : undefined;
  }
}
