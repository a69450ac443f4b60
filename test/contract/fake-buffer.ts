import { DeliverError } from '#edge/deliver-error.ts';
import type { Delivered, Delivery, SourceContext } from '#edge/source/source.ts';
import { recordsOf } from '#shared/kafka/open-records.ts';

/**
 * A buffer for sources under test. It keeps what survives a restart of the agent (records, losses,
 * positions), commits in order of arrival, and does so when the test lets it.
 */
export class FakeBuffer implements SourceContext {
  /** Committed, in order. */
  readonly deliveries: Delivery[] = [];
  readonly stored = new Map<string, Buffer>();
  /** By `topic/partition/incarnation`, what another buffer has landed. */
  readonly landedBefore = new Map<string, number>();
  /** Deliveries asked for, whatever became of them. */
  attempts = 0;
  /** Asked for and not answered yet; how many at most at once. */
  outstanding = 0;
  outstandingMost = 0;
  /** Records in them. */
  offered = 0;
  /** Rejects deliveries for which it answers an error. */
  rejects: (delivery: Delivery) => Error | undefined = () => undefined;
  #gate: Promise<void> | undefined;
  #open: () => void = () => {};
  readonly #keys = new Map<string, number>();
  #waiting: { until: () => boolean; resolve: () => void }[] = [];

  /** From now on deliveries wait. */
  hold(): void {
    this.#gate ??= new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  release(): void {
    this.#gate = undefined;
    this.#open();
  }

  async deliver(unopened: Delivery): Promise<Delivered> {
    const delivery = opened(unopened);
    this.attempts += 1;
    this.outstanding += 1;
    this.offered += delivery.records.length;
    this.outstandingMost = Math.max(this.outstandingMost, this.outstanding);
    this.#look();
    try {
      await this.#gate;
      const rejection = this.rejects(delivery);
      if (rejection) throw rejection;
      return this.#commit(delivery);
    } finally {
      this.outstanding -= 1;
      this.offered -= delivery.records.length;
      this.#look();
    }
  }

  async positions(prefix: string): Promise<Map<string, Buffer>> {
    return new Map([...this.stored].filter(([key]) => key.startsWith(prefix)));
  }

  #commit(delivery: Delivery): Delivered {
    const { idempotencyKey: key, positions, records } = delivery;
    const before = key === undefined ? undefined : this.#keys.get(key);
    if (before !== undefined) return { accepted: before, declaredLost: 0, duplicate: true };
    if (key !== undefined) this.#keys.set(key, records.length);
    const landedTo = this.#landedTo(delivery);
    if (landedTo !== undefined) {
      return { accepted: 0, declaredLost: 0, duplicate: false, landedTo };
    }
    for (const gone of positions?.delete ?? []) this.stored.delete(gone);
    for (const [name, value] of positions?.set ?? []) this.stored.set(name, value);
    this.deliveries.push(delivery);
    return { accepted: records.length, declaredLost: 0, duplicate: false };
  }

  #landedTo({ topic, incarnation, from, cutBack }: Delivery): number | undefined {
    const { partition, offset } = cutBack ?? from ?? {};
    const key = `${topic}/${partition}/${incarnation}`;
    const next = this.landedBefore.get(key);
    if (next === undefined || offset === undefined) return undefined;
    if (cutBack) this.landedBefore.set(key, Math.min(next, offset));
    return from && next > offset ? next : undefined;
  }

  async landed(topic: string, incarnation: string): Promise<Map<number, number>> {
    return new Map(
      [...this.landedBefore].flatMap(([key, next]) => {
        const [name, partition, life] = key.split('/');
        return name === topic && life === incarnation ? [[Number(partition), next]] : [];
      }),
    );
  }

  get records() {
    return this.deliveries.flatMap(({ records }) => records);
  }

  /** Values as text, of one topic or of all. */
  values(topic?: string): string[] {
    return this.deliveries
      .filter((delivery) => topic === undefined || delivery.topic === topic)
      .flatMap(({ records }) => records.map(({ value }) => String(value)));
  }

  get losses(): { topic: string; records: number; detail: string }[] {
    return this.deliveries.flatMap(({ topic, sourceLoss }) =>
      sourceLoss ? [{ topic, ...sourceLoss }] : [],
    );
  }

  /** Resolves when `condition` holds after something happened here. */
  until(condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ until: condition, resolve }));
  }

  #look(): void {
    const all = this.#waiting;
    this.#waiting = all.filter(({ until }) => !until());
    for (const waiting of all) if (!this.#waiting.includes(waiting)) waiting.resolve();
  }
}

/** With all its records among `records`. */
function opened(delivery: Delivery): Delivery {
  const { runs: some, ...rest } = delivery;
  if (!some) return delivery;
  const { partition, runs } = some;
  const records = runs.flatMap((run) =>
    recordsOf(run).map(({ offset, ...record }) => {
      return { ...record, partition, sourceOffset: offset };
    }),
  );
  return { ...rest, records: [...delivery.records, ...records] };
}

export const diskFull = (): DeliverError => new DeliverError('disk-full', 'the disk is full');
