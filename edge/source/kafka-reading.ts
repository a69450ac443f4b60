import {
  type KafkaSettings as Connection,
  type Fetched,
  type Kafka,
  KafkaError,
  type TopicPartition,
} from '#shared/kafka/kafka.ts';
import { PartitionReader } from '#shared/kafka/partition-reader.ts';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import type { ReplicatedTopic } from './kafka-groups.ts';
import { KafkaLook } from './kafka-look.ts';
import { isCreatedAnew, seeOutOfRange } from './kafka-out-of-range.ts';
import type { KafkaSettings } from './kafka-settings.ts';
import { KafkaTake } from './kafka-take.ts';
import type { KafkaPart, KafkaTopic } from './kafka-topic.ts';
import type { SourceContext } from './source.ts';

export interface KafkaSourceDeps {
  alias: string;
  clock: Clock;
  random: () => number;
  log: Logger;
  /** Default: over the network. */
  open?: (settings: Connection) => Kafka;
}

export interface ReadingParts {
  settings: KafkaSettings;
  context: SourceContext;
  deps: KafkaSourceDeps;
  kafka: Kafka;
  topics: Map<string, KafkaTopic>;
  pending: readonly string[] | undefined;
}

/** Bytes that are asked for at once, and of those not taken yet, each. */
const fetchBytes = 4 * 1024 * 1024;
/** A position behind the end of its log is believed when it is seen so often. */
const behindBelieved = 3;

/** Reads a cluster's topics into the buffer: what to read, reading it, and what may befall it. */
export class KafkaReading {
  readonly #parts: ReadingParts;
  readonly #take: KafkaTake;
  readonly #look: KafkaLook;
  readonly #reader: PartitionReader;
  /** Leaders as last seen, for partitions that are let in again. */
  readonly #leaders = new Map<KafkaPart, number>();
  readonly #behind = new Map<KafkaPart, number>();
  readonly #events: string[] = [];
  #want = new AbortController();
  looked = false;

  constructor(parts: ReadingParts) {
    const { settings, context, deps, kafka, topics } = parts;
    const { clock, random, alias } = deps;
    this.#parts = parts;
    this.#take = new KafkaTake({
      ...{ name: settings.name, alias, context, topics, clock, random },
      pause: (part) => this.#reader.remove(part),
      resume: (part) => this.#resume(part),
      seek: (part) => this.#reader.seek(part, { offset: part.next }),
    });
    this.#look = new KafkaLook({
      ...{ settings, alias, admin: kafka.admin, context, take: this.#take, topics },
      pending: parts.pending,
      read: (part, leader) => this.#read(part, leader),
      leave: (part) => this.#reader.remove(part),
      event: (what) => this.#event(what),
    });
    this.#reader = new PartitionReader(
      kafka.reads,
      {
        isolation: settings.isolation === 'read_committed' ? 'committed' : 'uncommitted',
        ...{ maxBytes: fetchBytes, maxPauseMs: 3_000 },
        onFetched: (of, fetched) => this.#fetched(of, fetched),
        onError: (of, error) => this.#failed(of, error),
        onPosition: (of, offset) => this.#reached(of, offset),
      },
      { clock, random },
    );
  }

  /** Looks for topics and partitions. Rejects with a KafkaError when nobody answers. */
  async look(): Promise<void> {
    this.#want = new AbortController();
    await this.#look.look();
    this.looked = true;
    await this.#keepPositions();
  }

  /** Aborted when the cluster should be looked at before its time. */
  get wanted(): AbortSignal {
    return this.#want.signal;
  }

  get acceptedRecords(): number {
    return this.#take.acceptedRecords;
  }

  view() {
    const { topics } = this.#parts;
    const { leftOut } = this.#look;
    return { topics, leftOut, looped: this.#take.looped, events: this.#events };
  }

  replicated(): ReplicatedTopic[] {
    return this.#alive().map(({ topic, incarnation, partitions }) => {
      return { topic, incarnation, partitions };
    });
  }

  positions() {
    return this.#alive().flatMap(({ topic, incarnation, parts }) =>
      [...parts.values()].map(({ partition, next }) => ({ topic, partition, incarnation, next })),
    );
  }

  async stop(): Promise<void> {
    this.#take.stop();
    await this.#reader.stop();
  }

  #alive(): KafkaTopic[] {
    return [...this.#parts.topics.values()].filter(
      ({ held, partitions }) => partitions > 0 && (!held || held.why === 'failed'),
    );
  }

  #find({ topic, partition }: TopicPartition): KafkaPart | undefined {
    return this.#parts.topics.get(topic)?.parts.get(partition);
  }

  #read(part: KafkaPart, leader: number): void {
    this.#leaders.set(part, leader);
    if (this.#reader.has(part)) this.#reader.lead(part, leader);
    else if (!this.#take.isWaiting(part)) this.#resume(part);
  }

  #resume(part: KafkaPart): void {
    const topic = this.#parts.topics.get(part.topic);
    if (part.over || !topic || topic.held || topic.parts.get(part.partition) !== part) return;
    const { topicId } = topic;
    const leader = this.#leaders.get(part) ?? -1;
    const { topic: name, partition, next: offset } = part;
    this.#reader.add({ topic: name, partition, leader, offset, topicId });
  }

  async #fetched(of: TopicPartition, fetched: Fetched): Promise<void> {
    const part = this.#find(of);
    if (!part) return;
    const isCommitted = this.#parts.settings.isolation === 'read_committed';
    part.end = isCommitted ? fetched.lastStableOffset : fetched.highWatermark;
    await this.#take.take(part, fetched);
  }

  #reached(of: TopicPartition, offset: number): void {
    const part = this.#find(of);
    if (!part) return;
    part.next = Math.max(part.next, offset);
    part.trouble = undefined;
    this.#behind.delete(part);
  }

  async #failed(of: TopicPartition, error: Error): Promise<void> {
    const part = this.#find(of);
    if (!part) return;
    part.trouble = error.message;
    if (!(error instanceof KafkaError)) return;
    if (error.code === 'out-of-range') await this.#outOfRange(part);
    // Its leader moved, or it is another by now: see.
    else if (error.canRetry) this.#want.abort();
  }

  async #outOfRange(part: KafkaPart): Promise<void> {
    const { kafka } = this.#parts;
    const found = await seeOutOfRange(part, kafka.admin);
    if (found.kind === 'purged') {
      const { records, detail, start: next } = found;
      const isLost = await this.#take.lose(part, { records, detail, next });
      if (isLost) this.#goOn(part, detail);
    } else if (found.kind === 'behind') {
      const times = (this.#behind.get(part) ?? 0) + 1;
      this.#behind.set(part, times);
      this.#want.abort();
      part.trouble = `its log ends at ${found.end}, before our position ${part.next}`;
      if (times >= behindBelieved) await this.#cutBack(part, found.end);
    }
  }

  async #cutBack(part: KafkaPart, end: number): Promise<void> {
    const topic = this.#parts.topics.get(part.topic);
    if (!topic || part.over) return;
    this.#behind.delete(part);
    if (isCreatedAnew(topic)) return this.#look.createdAnew(topic);
    const what = `${part.topic}/${part.partition} was cut back from ${part.next} to ${end}`;
    await this.#take.goBack(part, end);
    this.#goOn(part, `${what} at its cluster (a leader that lacked records was elected)`);
  }

  #goOn(part: KafkaPart, what: string): void {
    this.#event(what);
    part.trouble = undefined;
    this.#reader.seek(part, { offset: part.next });
  }

  #event(what: string): void {
    this.#parts.deps.log.warn({ source: this.#parts.settings.name }, what);
    this.#events.push(what);
    if (this.#events.length > 10) this.#events.shift();
  }

  /** Where nothing but transactions' markers was read, no record carries the position. */
  async #keepPositions(): Promise<void> {
    for (const topic of this.#alive()) {
      const moved = [...topic.parts.values()].filter(
        ({ work, over, next, stored }) => !work && !over && next !== stored,
      );
      if (moved.length > 0) await this.#take.keep(topic, moved);
    }
  }
}
