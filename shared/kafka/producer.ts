import type { Clock } from '#shared/std/clock.ts';
import type { Connections } from './connections.ts';
import {
  KafkaError,
  type OutgoingBatch,
  type ProducerOptions,
  type TopicPartition,
  type TransactionalProducer,
} from './kafka.ts';
import { ProducerSession } from './producer-session.ts';
import { retrying } from './retrying.ts';
import { initProducerId } from './transaction-apis.ts';

export interface ProducerDeps {
  connections: Connections;
  clock: Clock;
  requestTimeoutMs: number;
  /** Of its own, so that its batches wait for nobody else's requests. */
  lane: string;
}

/** What the predecessor left open takes some milliseconds to end. */
const initPauseMs = [10, 20] as const;

/** Says who writes, again and again; what is written is the session's. */
export class KafkaProducer implements TransactionalProducer {
  readonly #options: ProducerOptions;
  readonly #deps: ProducerDeps;
  #session: ProducerSession | undefined;

  constructor(options: ProducerOptions, deps: ProducerDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  async init(): Promise<void> {
    this.#session?.end();
    this.#session = undefined;
    const { connections, clock, requestTimeoutMs } = this.#deps;
    const { transactionalId, transactionTimeoutMs } = this.#options;
    const request = initProducerId(transactionalId, transactionTimeoutMs);
    const identity = await retrying(
      () => connections.send({ transaction: transactionalId }, request),
      // Its predecessor's transaction is ended within its own timeout, if nothing ends it before.
      { clock, forMs: Math.max(requestTimeoutMs, transactionTimeoutMs), pauseMs: initPauseMs },
    );
    this.#session = new ProducerSession({ ...this.#deps, transactionalId, identity });
  }

  async send(batches: readonly OutgoingBatch[], soon?: readonly TopicPartition[]) {
    return this.#initialised().send(batches, soon);
  }

  async commit(): Promise<void> {
    await this.#initialised().commit();
  }

  async abort(): Promise<void> {
    await this.#session?.abort();
  }

  #initialised(): ProducerSession {
    if (this.#session) return this.#session;
    throw new KafkaError(
      'fatal',
      `${this.#options.transactionalId}: the producer needs init first`,
    );
  }
}
