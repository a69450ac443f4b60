import type { KafkaError } from '#shared/kafka/kafka.ts';
import { type LossRecord, type StreamId, streamKey } from '#shared/wire/link.ts';
import type { Naming } from '#shared/wire/mm2-topics.ts';
import type { MirrorHost } from '../mirror/mirror.ts';
import { Copies } from './kafka-copies.ts';
import { mirrorHost } from './kafka-mirror.ts';
import { ownTopics } from './kafka-names.ts';
import { KafkaPages } from './kafka-pages.ts';
import type { KafkaRegistry } from './kafka-registry.ts';
import type { ForeignListener } from './kafka-shard-follower.ts';
import { KafkaShards, type KafkaShardsParts } from './kafka-shards.ts';
import type { TopicWatch } from './kafka-topic-watch.ts';
import {
  type AliasState,
  type AliasSummary,
  type AliasWrite,
  type CheckpointRow,
  type CopyView,
  changedFact,
  type Expected,
  type LandedWrite,
  type Landing,
  LandingError,
  type RecordPage,
  type RegistryChange,
  type RegistryEntry,
  type Route,
  type TopicRow,
} from './landing.ts';
import { checkpointRowOf, lostWithin, stateOf, summaryOf } from './shard-state.ts';

export interface KafkaLandingParts extends KafkaShardsParts {
  registry: KafkaRegistry;
  centralId: string;
  /** Central's own alias. */
  alias: string;
  topicSettings: MirrorHost['topicSettings'];
  /** How the settings of a topic do not fit. */
  troublesOf: (topic: string) => readonly string[];
  /** Keeps them looked at; `names`: the topics that landed. */
  watchTopics: (names: () => readonly string[]) => TopicWatch;
}

/**
 * The landing in Kafka: every shard's state is followed here, whoever owns it, so that each
 * collector answers for the whole fleet; commits go through the shards that are ours.
 */
export class KafkaLanding implements Landing {
  readonly kind = 'kafka';
  readonly centralId: string;
  readonly mirror: MirrorHost;
  readonly #parts: KafkaLandingParts;
  readonly #shards: KafkaShards;
  readonly #pages: KafkaPages;
  #closed: Promise<void> | undefined;
  #copies: Copies | undefined;
  #topics: TopicWatch | undefined;

  constructor(parts: KafkaLandingParts) {
    this.#parts = parts;
    this.centralId = parts.centralId;
    this.#pages = new KafkaPages(parts.kafka);
    this.#shards = new KafkaShards(parts);
    this.mirror = mirrorHost(this.#shards.all, parts);
  }

  async serve(linkUrl: string | null): Promise<void> {
    const { clock, kafka, log, flows, alias, watchTopics } = this.#parts;
    this.#copies = new Copies({
      ...{ kafka, clock, log, flows, alias, shards: this.#shards.all },
      isLanded: (topic) => this.#shards.topicFact(topic) !== undefined,
    });
    this.#topics = watchTopics(() => this.#shards.topics());
    await this.#shards.join(linkUrl);
  }

  readAll(): Promise<void> {
    return this.#shards.readAll();
  }

  route(alias: string): Route {
    return this.#shards.route(alias);
  }

  onForeign(listener: ForeignListener): void {
    this.#shards.onForeign(listener);
  }

  async load(alias: string): Promise<AliasState | undefined> {
    this.#assertOpen();
    const shard = this.#shards.of(alias);
    if (!shard.owned) throw new LandingError('moved', `another collector owns "${alias}"`);
    const entry = shard.state.alias(alias);
    return entry && stateOf(entry);
  }

  async aliases(): Promise<AliasSummary[]> {
    this.#assertOpen();
    return this.#shards.entries().map(summaryOf);
  }

  async commit(writes: readonly AliasWrite[]): Promise<LandedWrite[]> {
    this.#assertOpen();
    const shards = new Set(writes.map(({ alias }) => this.#shards.of(alias)));
    const [shard] = shards;
    if (!shard) return [];
    if (shards.size > 1) {
      throw new LandingError('refused', 'a commit over several shards would not be one');
    }
    return shard.commit(writes);
  }

  async checkpoints({
    alias,
    topic,
  }: {
    alias?: string;
    topic?: string;
  }): Promise<CheckpointRow[]> {
    this.#assertOpen();
    return this.#shards
      .entries()
      .filter((entry) => alias === undefined || entry.alias === alias)
      .flatMap((entry) =>
        [...entry.streams.values()]
          .filter(({ id }) => topic === undefined || id.topic === topic)
          .map((stream) => checkpointRowOf(entry.alias, stream, this.#naming)),
      );
  }

  losses(filter: { alias?: string; sinceMs?: number; limit: number }): Promise<LossRecord[]> {
    const { alias } = filter;
    const partitions =
      alias === undefined ? this.#shards.all.map(({ id }) => id) : [this.#shards.of(alias).id];
    return this.#ask(() => this.#pages.losses(partitions, filter));
  }

  async lostWithin(alias: string, id: StreamId, first: number, last: number): Promise<number> {
    const entry = this.#shards.of(alias).state.alias(alias);
    return lostWithin(entry?.streams.get(streamKey(id)), first, last);
  }

  topics(): Promise<TopicRow[]> {
    const { troublesOf } = this.#parts;
    const kinds = new Map<string, TopicRow['kind']>([[ownTopics.losses, 'internal']]);
    for (const topic of Object.values(ownTopics)) {
      if (troublesOf(topic).length > 0) kinds.set(topic, 'internal');
    }
    for (const t of this.#shards.topics()) kinds.set(t, this.#shards.topicFact(t)!.kind);
    return this.#ask(() => this.#pages.topics(kinds, troublesOf));
  }

  copies(): CopyView[] {
    return this.#copies?.views() ?? [];
  }

  records(
    topic: string,
    partition: number,
    offset: number,
    limit: number,
  ): Promise<RecordPage | undefined> {
    return this.#ask(() => this.#pages.page(topic, partition, offset, limit));
  }

  async registry(prefix: string): Promise<RegistryEntry[]> {
    this.#assertOpen();
    return this.#parts.registry.read(prefix);
  }

  async register(changes: readonly RegistryChange[], expected: Expected = new Map()) {
    this.#assertOpen();
    const { registry } = this.#parts;
    await registry.change(() => {
      for (const [key, value] of expected) {
        if ((registry.get(key) ?? null) !== value) throw changedFact(key);
      }
      return changes;
    });
  }

  onRegistry(listener: () => void): void {
    this.#parts.registry.watch(listener);
  }

  async usage(): Promise<null> {
    return null;
  }

  /** Kafka answers, and no shard that is ours is out of service. */
  probe(): Promise<void> {
    return this.#ask(async () => {
      await this.#parts.kafka.admin.topics([ownTopics.checkpoints]);
      const waiting = this.#shards.waiting();
      if (waiting === 0) return;
      throw new LandingError('unavailable', `${waiting} of our shards are being taken over`);
    });
  }

  close(): Promise<void> {
    this.#closed ??= this.#close(true);
    return this.#closed;
  }

  /** As the death of the process would leave it, for tests: nobody is told. */
  abandon(): Promise<void> {
    this.#closed ??= this.#close(false);
    return this.#closed;
  }

  async #close(inOrder: boolean): Promise<void> {
    const { follower, kafka } = this.#parts;
    this.#shards.stop();
    const copying = Promise.all([this.#copies?.close(), this.#topics?.close()]);
    if (inOrder) await this.#shards.leave();
    const following = follower.close();
    // What still waits for an answer of Kafka's must not hold us.
    await kafka.close();
    await Promise.all([copying, following]);
  }

  get #naming(): Naming {
    return this.#parts.shardParts.settings.naming;
  }

  #assertOpen(): void {
    if (this.#closed) throw new LandingError('closed', 'the landing is closed');
  }

  async #ask<T>(question: () => Promise<T>): Promise<T> {
    this.#assertOpen();
    try {
      return await question();
    } catch (error) {
      const { name, code, message } = error as KafkaError;
      if (name !== 'KafkaError') throw error;
      throw new LandingError(code === 'closed' ? 'closed' : 'unavailable', message, {
        cause: error,
      });
    }
  }
}
