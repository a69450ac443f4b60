import type { Kafka, KafkaError, TransactionalProducer } from '#shared/kafka/kafka.ts';
import type { LogRecord } from '#shared/kafka/open-records.ts';
import type { Clock } from '#shared/std/clock.ts';
import type { Follower } from './kafka-follower.ts';
import { ownTopics } from './kafka-names.ts';
import { LandingError, type RegistryChange, type RegistryEntry } from './landing.ts';
import { sealed } from './shard-records.ts';

const valueLengthMax = 64 * 1024;
const at = { topic: ownTopics.registry, partition: 0 };

/**
 * Facts by their key, the same for all collectors: `tributary.registry`, followed to its end. Who
 * writes fences everybody else first and reads to the end, so that no decision stands on what is
 * old by then.
 */
export class KafkaRegistry {
  readonly #follower: Follower;
  readonly #clock: Clock;
  readonly #producer: TransactionalProducer;
  readonly #facts = new Map<string, string>();
  readonly #listeners = new Set<() => void>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: { kafka: Kafka; follower: Follower; clock: Clock }) {
    this.#follower = parts.follower;
    this.#clock = parts.clock;
    this.#producer = parts.kafka.producer({
      transactionalId: 'tributary-registry',
      transactionTimeoutMs: 10_000,
    });
    this.#follower.add(at, (records) => this.#use(records));
  }

  /** Reads it whole, then keeps up with it. */
  async open(): Promise<void> {
    await this.#follower.readToEnd([at], 'committed');
    this.#follower.activate(at, true);
  }

  get(key: string): string | undefined {
    return this.#facts.get(key);
  }

  /** What begins with "#" is the landing's own. */
  read(prefix: string): RegistryEntry[] {
    return [...this.#facts]
      .filter(([key]) => key.startsWith(prefix) && !key.startsWith('#'))
      .map(([key, value]) => ({ key, value }))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** Called when facts changed, by whoever. */
  watch(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /**
   * `decide` sees what is committed and nobody can change it before its changes are. It may be
   * called again where the commit failed. Rejects with a LandingError, or with what it throws.
   */
  change(decide: () => readonly RegistryChange[]): Promise<void> {
    const done = this.#last.then(() => this.#change(decide));
    this.#last = done.catch(() => {});
    return done;
  }

  async #change(decide: () => readonly RegistryChange[]): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#producer.init();
        await this.#follower.readToEnd([at], 'uncommitted');
        const changes = decide();
        for (const change of changes) assertShort(change);
        if (changes.length > 0) await this.#write(changes);
        return;
      } catch (error) {
        const { name, code, message } = error as KafkaError;
        if (name !== 'KafkaError') throw error;
        if (code === 'closed') throw new LandingError('closed', message, { cause: error });
        // Fenced or in doubt: what is committed by now decides, and `decide` with it.
        if (attempt < 5) await this.#clock.sleep(50 * 2 ** attempt * Math.random());
        else throw new LandingError('unavailable', message, { cause: error });
      } finally {
        this.#follower.activate(at, true);
      }
    }
  }

  async #write(changes: readonly RegistryChange[]): Promise<void> {
    const timestamp = Math.round(this.#clock.now());
    const records = changes.map(({ key, value }) => ({
      ...{ key: Buffer.from(key), value: value === null ? null : Buffer.from(value) },
      ...{ headers: [], timestamp },
    }));
    const written = await this.#producer.send(sealed(records).map((batch) => ({ ...at, batch })));
    this.#follower.assertNext(at, written[0]!);
    await this.#producer.commit();
    await this.#follower.readToEnd([at], 'uncommitted');
  }

  #use(records: Iterable<LogRecord>): void {
    let changed = false;
    for (const { key, value } of records) {
      if (key === null) continue;
      changed = true;
      if (value === null) this.#facts.delete(key.toString('utf8'));
      else this.#facts.set(key.toString('utf8'), value.toString('utf8'));
    }
    if (changed) for (const listener of this.#listeners) listener();
  }
}

function assertShort({ key, value }: RegistryChange): void {
  if (value === null || value.length <= valueLengthMax) return;
  throw new LandingError('refused', `${key}: ${value.length} characters are too many`);
}
