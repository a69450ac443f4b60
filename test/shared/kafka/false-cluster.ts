import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import type { Kafka, KafkaError, TransactionalProducer } from '#shared/kafka/kafka.ts';
import { eventually } from '../../contract/eventually.ts';
import { type FalseBrokers, startFalseBrokers } from '../../kafka/false-broker.ts';
import { type KafkaOptions, startKafka, type TestKafka } from '../../kafka/kafka.ts';
import { kafkaMissing } from '../../kafka/missing.ts';
import { unique } from '../../kafka/shared.ts';
import { clientOf, outgoing, valuesOf } from './real-cluster.ts';

/** How a call failed; red when it did not. */
export async function failure(promise: Promise<unknown>): Promise<KafkaError> {
  return (await promise.then(
    () => expect.fail('it should have been rejected'),
    (error: unknown) => error,
  )) as KafkaError;
}

/** Real brokers for one test file, with brokers in front that misbehave; see false-broker.ts. */
export class FalseCluster {
  kafka!: TestKafka;
  front!: FalseBrokers;

  constructor(options: KafkaOptions) {
    if (kafkaMissing) return;
    beforeAll(async () => {
      this.kafka = await startKafka({ ...options, proxied: true });
      this.front = await startFalseBrokers(this.kafka);
    });
    afterEach(() => this.front.reset());
    afterAll(async () => {
      await this.front?.close();
      await this.kafka?.close();
    });
  }

  /** A client that meets the false brokers. */
  client(settings: Parameters<typeof clientOf>[1] = {}): Kafka {
    const patience = { requestTimeoutMs: 2000, connectionTimeoutMs: 2000 };
    return clientOf(this.front.bootstrap, { ...patience, ...settings });
  }

  /** A topic of its own, and a producer that can begin. */
  async writer(
    partitions = 1,
    settings: Parameters<typeof clientOf>[1] = {},
    configs: { [name: string]: string } = {},
  ): Promise<Writer> {
    const kafka = this.client(settings);
    const topic = unique('trap');
    const replicationFactor = this.kafka.brokers.length;
    await kafka.admin.createTopic({ topic, partitions, replicationFactor, configs });
    const transactionalId = unique('writer');
    const producer = kafka.producer({ transactionalId, transactionTimeoutMs: 30_000 });
    await producer.init();
    return new Writer(kafka, topic, transactionalId, producer);
  }
}

export class Writer {
  readonly kafka: Kafka;
  readonly topic: string;
  readonly transactionalId: string;
  readonly producer: TransactionalProducer;

  constructor(
    kafka: Kafka,
    topic: string,
    transactionalId: string,
    producer: TransactionalProducer,
  ) {
    this.kafka = kafka;
    this.topic = topic;
    this.transactionalId = transactionalId;
    this.producer = producer;
  }

  send(value: string, partitions: readonly number[] = [0]): Promise<number[]> {
    return this.producer.send(partitions.map((one) => outgoing(this.topic, one, [value])));
  }

  /** A transaction as whoever has to get it through does it: anew until it is committed. */
  async through(value: string, partitions: readonly number[] = [0]): Promise<KafkaError[]> {
    const failures: KafkaError[] = [];
    for (;;) {
      try {
        await this.producer.init();
        if (failures.at(-1)?.code === 'uncertain' && (await this.#has(value, partitions[0]!))) {
          return failures;
        }
        await this.send(value, partitions);
        await this.producer.commit();
        return failures;
      } catch (error) {
        failures.push(error as KafkaError);
        if (failures.length > 200) throw new AggregateError(failures, `${value} never got through`);
      }
    }
  }

  values(partition = 0, isolation: 'committed' | 'uncommitted' = 'committed'): Promise<string[]> {
    return valuesOf(this.kafka, { topic: this.topic, partition }, isolation);
  }

  /** A commit is answered before the last reader sees it: it is waited for. */
  holds(partition: number, values: readonly string[]): Promise<void> {
    return eventually(async () => expect(await this.values(partition)).toEqual(values));
  }

  async #has(value: string, partition: number): Promise<boolean> {
    return (await this.values(partition)).includes(value);
  }
}
