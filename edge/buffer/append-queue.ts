import type { Clock } from '#shared/std/clock.ts';
import { DeliverError } from '../deliver-error.ts';
import type { Delivered, Delivery } from '../source/source.ts';
import type { Outcome } from './appender.ts';

export interface Waiting {
  delivery: Delivery;
  settle(outcome: Delivered | DeliverError): void;
}

export interface AppendQueueParts {
  append(deliveries: readonly Delivery[]): Outcome[];
  clock: Clock;
  /** Something was appended. */
  onAppended(): void;
}

/** A full disk says nothing when it has room again. */
const retryMs = 1_000;

/**
 * Deliveries on their way into the store, and those that wait for room: in order of arrival per
 * topic, tried again after everything that frees room, and every second.
 */
export class AppendQueue {
  readonly #parts: AppendQueueParts;
  #waiting: Waiting[] = [];
  #stopRetrying: (() => void) | undefined;
  #closed = false;

  constructor(parts: AppendQueueParts) {
    this.#parts = parts;
  }

  /** Some delivery waits for room. */
  get isBlocked(): boolean {
    return this.#waiting.length > 0;
  }

  submit(arrived: readonly Waiting[]): void {
    if (this.#closed) {
      for (const { settle } of arrived) settle(closed());
      return;
    }
    const behind = new Set(this.#waiting.map(({ delivery }) => delivery.topic));
    const next: Waiting[] = [];
    for (const each of arrived) {
      if (!behind.has(each.delivery.topic)) next.push(each);
      else if (each.delivery.whenFull === 'refuse') each.settle(othersWait(each.delivery));
      else this.#waiting.push(each);
    }
    this.#try(next);
    this.#keepRetrying();
  }

  /** Room may have come free. */
  retry(): void {
    while (this.#waiting.length > 0) {
      const before = this.#waiting;
      this.#waiting = [];
      this.#try(before);
      if (this.#waiting.length === before.length) break;
    }
    this.#keepRetrying();
  }

  /** Fails what waits. */
  close(): void {
    this.#closed = true;
    this.#stopRetrying?.();
    for (const { settle } of this.#waiting.splice(0)) settle(closed());
  }

  #try(deliveries: readonly Waiting[]): void {
    if (deliveries.length === 0) return;
    const outcomes = this.#parts.append(deliveries.map(({ delivery }) => delivery));
    let grew = false;
    for (const [i, outcome] of outcomes.entries()) {
      const each = deliveries[i]!;
      if (outcome === 'wait') {
        this.#waiting.push(each);
        continue;
      }
      if (!(outcome instanceof DeliverError)) grew ||= !outcome.duplicate;
      each.settle(outcome);
    }
    if (grew) this.#parts.onAppended();
  }

  #keepRetrying(): void {
    if (this.isBlocked && !this.#stopRetrying) {
      this.#stopRetrying = this.#parts.clock.every(retryMs, () => this.retry());
    } else if (!this.isBlocked) {
      this.#stopRetrying?.();
      this.#stopRetrying = undefined;
    }
  }
}

const closed = (): DeliverError => new DeliverError('closed', 'the buffer is closing');

const othersWait = ({ topic }: Delivery): DeliverError =>
  new DeliverError('buffer-full', `the buffer is full: others wait for room in topic "${topic}"`);
