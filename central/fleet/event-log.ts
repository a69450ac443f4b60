import type { Clock } from '#shared/std/clock.ts';
import type { FleetEvent } from './views.ts';

const keptMax = 1_000;
/** The same thing about the same site is told once in this time. */
const repeatMs = 60_000;

/** What happened in the fleet, for people: the newest thousand, and whoever listens. */
export class EventLog {
  readonly #clock: Clock;
  readonly #events: FleetEvent[] = [];
  readonly #listeners = new Set<(event: FleetEvent) => void>();
  readonly #told = new Map<string, number>();
  #lastId = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(event: Omit<FleetEvent, 'id' | 'at'>): void {
    this.#lastId += 1;
    const full = { id: this.#lastId, at: Math.round(this.#clock.now()), ...event };
    this.#events.push(full);
    if (this.#events.length > keptMax) this.#events.shift();
    for (const listener of this.#listeners) listener(full);
  }

  /** Unless it was told lately. */
  addOnce(event: Omit<FleetEvent, 'id' | 'at'>): void {
    const now = this.#clock.monotonic();
    const key = `${event.alias} ${event.type} ${event.message}`;
    if (now - (this.#told.get(key) ?? Number.NEGATIVE_INFINITY) < repeatMs) return;
    this.#told.delete(key);
    this.#told.set(key, now);
    if (this.#told.size > keptMax) this.#told.delete(this.#told.keys().next().value!);
    this.add(event);
  }

  after(id: number): FleetEvent[] {
    return this.#events.filter((event) => event.id > id);
  }

  subscribe(listener: (event: FleetEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
