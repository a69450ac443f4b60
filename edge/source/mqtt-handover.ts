import { Backoff } from '#shared/std/backoff.ts';
import type { Clock } from '#shared/std/clock.ts';
import { DeliverError } from '../deliver-error.ts';
import { mqttLimits } from './mqtt-limits.ts';
import type { Delivered, Delivery, PositionChange, SourceContext } from './source.ts';

/** Losses of messages for which no topic can be found are declared here. */
export const unroutedTopic = 'mqtt.unrouted';

/** Makes the delivery at the moment it is handed over: what it says may change while it waits. */
type Parcel = () => Delivery;

interface Attempt {
  number: number;
  parcel: Parcel;
  /** A rejection that no retry can mend counts as one that may: there is no other way left. */
  insist: boolean;
  resolve(rejection: DeliverError | undefined): void;
  reject(error: Error): void;
}

/**
 * Hands deliveries to the buffer, any number at once, in order. What is rejected and may succeed
 * later is handed over again with backoff, before all that came after it; the sender meanwhile has
 * no acknowledgement.
 */
export class Handover {
  readonly #context: SourceContext;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #stopping = new AbortController();
  #count = 0;
  #pausing = false;
  #outstanding = 0;
  #idle: (() => void)[] = [];
  #waiting: Attempt[] = [];
  /** Records accepted. */
  accepted = 0;
  /** Why deliveries are being repeated; empty when they are not. */
  trouble = '';
  /** A topic that certainly takes deliveries. */
  lastTopic: string | undefined;

  constructor(context: SourceContext, deps: { clock: Clock; random: () => number }) {
    this.#context = context;
    this.#clock = deps.clock;
    this.#backoff = new Backoff({
      baseMs: mqttLimits.retryBaseMs,
      maxMs: mqttLimits.retryMaxMs,
      random: deps.random,
    });
  }

  /**
   * Resolves with nothing when durable, or with the rejection that no retry can mend. Rejects when
   * the buffer closes or `stop` was called before: nothing may be acknowledged then.
   */
  submit(parcel: Parcel, insist = false): Promise<DeliverError | undefined> {
    this.#outstanding += 1;
    return new Promise<DeliverError | undefined>((resolve, reject) => {
      this.#count += 1;
      const attempt = { number: this.#count, parcel, insist, resolve, reject };
      if (this.#pausing && !this.#stopping.signal.aborted) this.#waiting.push(attempt);
      else void this.#hand(attempt);
    }).finally(() => {
      this.#outstanding -= 1;
      if (this.#outstanding === 0) for (const resolve of this.#idle.splice(0)) resolve();
    });
  }

  /** Moves positions, however often that has to be tried. Rejects as `submit` does. */
  async move(positions: PositionChange): Promise<void> {
    const delivery = { topic: unroutedTopic, records: [], positions };
    const rejection = await this.submit(() => delivery, true);
    if (rejection) throw rejection;
  }

  /** Resolves when nothing is outstanding. */
  idle(): Promise<void> {
    if (this.#outstanding === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Ends retries; what is under way still counts. */
  stop(): void {
    this.#stopping.abort();
    for (const attempt of this.#waiting.splice(0)) attempt.reject(closed);
  }

  async #hand(attempt: Attempt): Promise<void> {
    const delivery = attempt.parcel();
    try {
      this.#kept(delivery, await this.#context.deliver(delivery));
      attempt.resolve(undefined);
    } catch (error) {
      this.#failed(attempt, error as Error);
    }
  }

  #kept(delivery: Delivery, delivered: Delivered): void {
    if (!delivered.duplicate) this.accepted += delivered.accepted;
    if (delivery.records.length > 0) this.lastTopic = delivery.topic;
    if (this.#pausing) return;
    this.#backoff.reset();
    this.trouble = '';
  }

  #failed(attempt: Attempt, error: Error): void {
    const known = error instanceof DeliverError ? error : undefined;
    this.trouble = `the buffer does not take records: ${error.message}`;
    if (known?.code === 'closed' || this.#stopping.signal.aborted) attempt.reject(error);
    else if (known && !known.canRetry && !attempt.insist) attempt.resolve(known);
    else this.#again(attempt);
  }

  #again(attempt: Attempt): void {
    const behind = this.#waiting.findIndex((other) => other.number > attempt.number);
    this.#waiting.splice(behind < 0 ? this.#waiting.length : behind, 0, attempt);
    if (!this.#pausing) void this.#pause();
  }

  async #pause(): Promise<void> {
    this.#pausing = true;
    try {
      await this.#clock.sleep(this.#backoff.next(), this.#stopping.signal);
    } catch {
      return; // stopped: `stop` has rejected those that wait
    }
    this.#pausing = false;
    for (const attempt of this.#waiting.splice(0)) void this.#hand(attempt);
  }
}

const closed = new DeliverError('closed', 'the source is stopping');
