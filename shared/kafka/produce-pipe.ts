import type { BrokerConnection } from './broker-connection.ts';
import { partitionKey } from './by-topic.ts';
import { KafkaError, type OutgoingBatch } from './kafka.ts';
import { asUnavailable, type ProduceAnswer, type ProducePart, produce } from './produce-api.ts';
import type { StampedBatch } from './stamped-batch.ts';

/** What Kafka remembers of a producer to find what is doubled or missing (max.in.flight). */
const inFlightMax = 5;
/** A larger batch goes alone. Large enough that a request's own cost does not show. */
const requestBytesMax = 4 * 1024 * 1024;

export interface Outgoing extends OutgoingBatch {
  key: string;
  resolve(offset: number): void;
  reject(error: KafkaError): void;
}

export interface PipeOptions {
  connection: BrokerConnection;
  transactionalId: string;
  timeoutMs: number;
  /** Gives the batch the next place in its partition. */
  stamp(item: OutgoingBatch): StampedBatch;
  /**
   * Asks the coordinator, when a leader says so. A leader that was cut off for a while and does not
   * know it yet takes a younger epoch for a wrong one.
   */
  isFenced(): Promise<boolean>;
  /** Something failed: nothing more goes out. */
  onFailure(error: KafkaError): void;
}

/**
 * Batches on their way to one broker: down one connection, in order within each partition, one of
 * a partition per request and several requests in flight.
 */
export class ProducePipe {
  readonly #options: PipeOptions;
  readonly #waiting = new Map<string, Outgoing[]>();
  #inFlight = 0;
  #stopped: KafkaError | undefined;

  constructor(options: PipeOptions) {
    this.#options = options;
  }

  /** Its connection is gone and nobody waits for it: another pipe may take its place. */
  get over(): boolean {
    const quiet = this.#inFlight === 0 && this.#waiting.size === 0;
    return quiet && this.#options.connection.closed !== undefined;
  }

  push(items: readonly Outgoing[]): void {
    for (const item of items) {
      if (this.#stopped) item.reject(this.#stopped);
      else queueOf(this.#waiting, item.key).push(item);
    }
    this.#pump();
  }

  /** What has not gone out rejects. */
  stop(error: KafkaError): void {
    this.#stopped ??= error;
    for (const item of [...this.#waiting.values()].flat()) item.reject(error);
    this.#waiting.clear();
  }

  #pump(): void {
    while (this.#inFlight < inFlightMax && this.#waiting.size > 0 && !this.#stopped) {
      const items = this.#take();
      this.#inFlight += 1;
      this.#send(items)
        .catch((cause: unknown) => this.#fail(items, cause))
        .finally(() => {
          this.#inFlight -= 1;
          this.#pump();
        });
    }
  }

  /** The first of each partition that waits, as far as one request takes them. */
  #take(): Outgoing[] {
    const items: Outgoing[] = [];
    let bytes = 0;
    for (const [key, queue] of [...this.#waiting]) {
      const size = queue[0]!.batch.length;
      if (items.length > 0 && bytes + size > requestBytesMax) break;
      bytes += size;
      items.push(queue.shift()!);
      // Behind the others for the next request.
      this.#waiting.delete(key);
      if (queue.length > 0) this.#waiting.set(key, queue);
    }
    return items;
  }

  async #send(items: readonly Outgoing[]): Promise<void> {
    const { connection, transactionalId, timeoutMs, stamp } = this.#options;
    const parts: ProducePart[] = items.map((item) => {
      const { header, payload } = stamp(item);
      return { topic: item.topic, partition: item.partition, header, payload };
    });
    const brokerTimeoutMs = Math.ceil(timeoutMs * 0.8);
    const request = produce(transactionalId, brokerTimeoutMs, parts);
    const answer = await connection.send(request, { timeoutMs });
    this.#settle(items, await this.#outcomes(items, answer));
  }

  /** kafkajs takes an answer that leaves a partition out for success (its traps B1 and B2). */
  async #outcomes(items: readonly Outgoing[], answer: ProduceAnswer): Promise<Outcome[]> {
    const outcomes = items.map((item) => answer.get(item.key) ?? leftOut(item));
    if (!outcomes.some(isFenced) || (await this.#options.isFenced())) return outcomes;
    return outcomes.map((outcome) => (isFenced(outcome) ? asUnavailable(outcome) : outcome));
  }

  #settle(items: readonly Outgoing[], outcomes: readonly Outcome[]): void {
    for (const outcome of outcomes) {
      if (typeof outcome !== 'number') this.#options.onFailure(outcome);
    }
    items.forEach((item, i) => {
      const outcome = outcomes[i]!;
      if (typeof outcome === 'number') item.resolve(outcome);
      else item.reject(outcome);
    });
  }

  #fail(items: readonly Outgoing[], cause: unknown): void {
    const error =
      cause instanceof KafkaError
        ? cause
        : new KafkaError('fatal', `producing: ${(cause as Error).message}`, { cause });
    this.#options.onFailure(error);
    for (const item of items) item.reject(error);
  }
}

type Outcome = number | KafkaError;

const isFenced = (outcome: Outcome): outcome is KafkaError =>
  typeof outcome !== 'number' && outcome.code === 'fenced';

const leftOut = ({ topic, partition }: Outgoing): KafkaError =>
  new KafkaError('unavailable', `the broker's answer leaves out ${topic}-${partition}`, {
    topic,
    partition,
  });

function queueOf(waiting: Map<string, Outgoing[]>, key: string): Outgoing[] {
  const queue = waiting.get(key) ?? [];
  waiting.set(key, queue);
  return queue;
}

/** `outgoing` with somebody who waits for its offset. */
export function awaited(outgoing: OutgoingBatch): { item: Outgoing; offset: Promise<number> } {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  promise.catch(() => {});
  return { item: { ...outgoing, key: partitionKey(outgoing), resolve, reject }, offset: promise };
}
