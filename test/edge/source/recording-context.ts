import type { Delivered, Delivery, SourceContext } from '#edge/source/source.ts';

/** A buffer for sources under test: keeps what was delivered, fails or waits when told to. */
export class RecordingContext implements SourceContext {
  readonly deliveries: Delivery[] = [];
  /** The next deliveries fail with this. */
  failure: Error | undefined;
  /** Deliveries wait for this before they are kept. */
  gate: Promise<void> | undefined;
  readonly #seen = new Map<string, number>();

  async deliver(delivery: Delivery): Promise<Delivered> {
    await this.gate;
    if (this.failure) throw this.failure;
    const key = delivery.idempotencyKey;
    const before = key === undefined ? undefined : this.#seen.get(key);
    if (before !== undefined) return { accepted: before, declaredLost: 0, duplicate: true };
    if (key !== undefined) this.#seen.set(key, delivery.records.length);
    this.deliveries.push(delivery);
    return { accepted: delivery.records.length, declaredLost: 0, duplicate: false };
  }

  async positions(): Promise<Map<string, Buffer>> {
    return new Map();
  }

  get records() {
    return this.deliveries.flatMap(({ records }) => records);
  }

  /** Keys and values as text. */
  get texts(): [key: string | undefined, value: string | undefined][] {
    return this.records.map(({ key, value }) => [key?.toString(), value?.toString()]);
  }
}
