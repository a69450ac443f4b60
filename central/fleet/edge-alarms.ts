/** Why a person should look at a site. Times: ms on the fleet's line. */

type Kind = 'fork' | 'adopt-needed' | 'clone' | 'refused' | 'held' | 'loss';

/** How long an alarm stands after it was raised last; null: until it is cleared. */
const standsMs: { readonly [K in Kind]: number | null } = {
  fork: 3_600_000,
  'adopt-needed': null,
  clone: 600_000,
  refused: 3_600_000,
  // The site tries again within a minute.
  held: 120_000,
  loss: 3_600_000,
};

export class EdgeAlarms {
  readonly #raised = new Map<Kind, { at: number; message: string }>();
  #lost = 0;

  raise(kind: Kind, message: string, now: number): void {
    this.#raised.set(kind, { at: now, message });
  }

  clear(kind: Kind): void {
    this.#raised.delete(kind);
  }

  /** Counts on while the alarm stands. */
  lost(records: number, why: string, now: number): void {
    this.#expire(now);
    this.#lost = (this.#raised.has('loss') ? this.#lost : 0) + records;
    this.raise('loss', `${this.#lost} records were lost lately: ${why}`, now);
  }

  messages(now: number): string[] {
    this.#expire(now);
    return [...this.#raised].map(([kind, { message }]) => `${kind}: ${message}`);
  }

  #expire(now: number): void {
    for (const [kind, { at }] of this.#raised) {
      const stands = standsMs[kind];
      if (stands !== null && now - at >= stands) this.#raised.delete(kind);
    }
  }
}
