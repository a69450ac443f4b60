import type { Clock } from '#shared/std/clock.ts';
import { brokerError } from './error-codes.ts';
import { type Broker, KafkaError, type TopicPartition } from './kafka.ts';
import type { Metadata, TopicMetadata } from './metadata.ts';

/** Refreshes are at least that far apart: a topic without a leader is asked for again and again. */
const refreshPauseMs = 50;

interface Refresh {
  topics: Set<string>;
  done: Promise<void>;
}

/**
 * What we last heard about the cluster: brokers, and the leaders of the topics that somebody asked
 * for. Refreshed when something is missing or was found wrong; who asks at once shares a request.
 */
export class ClusterView {
  readonly brokers = new Map<number, Broker>();
  /** -1: not known. */
  controller = -1;
  clusterId = '';
  readonly #topics = new Map<string, TopicMetadata>();
  readonly #clock: Clock;
  readonly #ask: (topics: readonly string[]) => Promise<Metadata>;
  #next: Refresh | undefined;
  #running: Promise<void> = Promise.resolve();
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, ask: (topics: readonly string[]) => Promise<Metadata>) {
    this.#clock = clock;
    this.#ask = ask;
  }

  /**
   * Each partition's leader, asking the cluster where one is not known. Where there is none, the
   * error that says why: `missing`, `unavailable`, `denied`. Rejects where nobody answers.
   */
  async leaders(of: readonly TopicPartition[]): Promise<(number | KafkaError)[]> {
    const unknown = of.filter(({ topic, partition }) => this.leader(topic, partition) < 0);
    if (unknown.length > 0) await this.refresh(unknown.map(({ topic }) => topic));
    return of.map(({ topic, partition }) => {
      const node = this.leader(topic, partition);
      return node >= 0 ? node : this.#noLeader(topic, partition);
    });
  }

  /** From what is known: -1 where that is nothing. */
  leader(topic: string, partition: number): number {
    return this.#partition(topic, partition)?.leader ?? -1;
  }

  /** A broker said that it does not lead it: the next to ask hears from the cluster. */
  forgetLeader({ topic, partition }: TopicPartition): void {
    const found = this.#partition(topic, partition);
    if (found) found.leader = -1;
  }

  /** A broker is gone, or hands over what it leads: all that it leads is in doubt. */
  forgetLedBy(node: number): void {
    for (const { partitions } of this.#topics.values()) {
      for (const one of partitions) if (one.leader === node) one.leader = -1;
    }
  }

  /** Resolves when an answer that was asked for from now on is in. */
  refresh(topics: readonly string[] = []): Promise<void> {
    this.#next ??= this.#plan();
    for (const topic of topics) this.#next.topics.add(topic);
    return this.#next.done;
  }

  /** Takes in what an answer says. */
  learn(metadata: Metadata): void {
    this.clusterId = metadata.clusterId;
    this.controller = metadata.controller;
    if (metadata.brokers.length > 0) this.brokers.clear();
    for (const broker of metadata.brokers) this.brokers.set(broker.id, broker);
    for (const topic of metadata.topics) this.#topics.set(topic.topic, topic);
  }

  #plan(): Refresh {
    const topics = new Set<string>();
    const done = this.#running.then(() => this.#run(topics));
    this.#running = done.catch(() => {});
    return { topics, done };
  }

  async #run(topics: Set<string>): Promise<void> {
    const pauseMs = this.#lastMs + refreshPauseMs - this.#clock.monotonic();
    if (pauseMs > 0) await this.#clock.sleep(pauseMs);
    this.#next = undefined;
    try {
      this.learn(await this.#ask([...topics]));
    } finally {
      this.#lastMs = this.#clock.monotonic();
    }
  }

  #partition(topic: string, partition: number) {
    const found = this.#topics.get(topic)?.partitions;
    return found?.[partition]?.partition === partition
      ? found[partition]
      : found?.find((one) => one.partition === partition);
  }

  #noLeader(topic: string, partition: number): KafkaError {
    const found = this.#topics.get(topic);
    const about = { topic, partition };
    if (found && found.error !== 0) return brokerError(found.error, 'finding the leader', about);
    if (found && this.#partition(topic, partition)) {
      return new KafkaError('unavailable', `${topic}-${partition} has no leader now`, {
        ...about,
        kafkaCode: 'LEADER_NOT_AVAILABLE',
      });
    }
    return new KafkaError('missing', `there is no partition ${topic}-${partition}`, {
      ...about,
      kafkaCode: 'UNKNOWN_TOPIC_OR_PARTITION',
    });
  }
}
