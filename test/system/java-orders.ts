import { javaWrite, type WriteStep } from '../kafka/clients.ts';
import type { Random } from '../sim/random.ts';
import type { Told } from './kafka-records.ts';

export interface OrdersOptions {
  bootstrap: string;
  topic: string;
  random: Random;
}

const keys = 12;

/** Somebody else's program: Kafka's Java producer, in transactions, of which it takes some back. */
export class JavaOrders {
  /** Of each key what it committed: `<key>:0`, `<key>:1`, … */
  readonly committed = new Map<string, Told>();
  aborted = 0;
  readonly #options: OrdersOptions;

  constructor(options: OrdersOptions) {
    this.#options = options;
  }

  /** One run of the producer after the other until `ended`. */
  async run(ended: AbortSignal): Promise<void> {
    const { bootstrap, random } = this.#options;
    while (!ended.aborted) {
      const steps = Array.from({ length: random.between(4, 12) }, () => this.#transaction()).flat();
      const written = await javaWrite(bootstrap, steps, {
        'transactional.id': 'orders',
        'compression.type': random.pick(['none', 'zstd', 'lz4', 'gzip', 'snappy']),
        'batch.size': String(random.pick([0, 500, 16_384])),
        // One that is aborted in good time, whoever dies.
        'transaction.timeout.ms': '10000',
      });
      const failed = written.find(({ error }) => error !== undefined);
      if (failed) throw new Error(`the producer failed: ${failed.error}`);
    }
  }

  #transaction(): WriteStep[] {
    const { topic, random } = this.#options;
    const isKept = random.chance(0.7);
    const records = Array.from({ length: random.between(1, 60) }, (): WriteStep => {
      const key = `k${random.between(0, keys - 1)}`;
      const headers = [['kept', String(isKept)]] as const;
      return { topic, key, value: isKept ? this.#next(key) : `${key}:taken back`, headers };
    });
    if (!isKept) this.aborted += records.length;
    return [{ do: 'begin' }, ...records, { do: isKept ? 'commit' : 'abort' }];
  }

  #next(key: string): string {
    const told = this.committed.get(key) ?? { alias: 'plant-b', count: 0 };
    this.committed.set(key, told);
    return `${key}:${told.count++}`;
  }
}
