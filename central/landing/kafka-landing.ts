import type { Kafka, KafkaError } from '#shared/kafka/kafka.ts';
import type { LogRecord } from '#shared/kafka/open-records.ts';
import { Backoff } from '#shared/std/backoff.ts';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import { type LossRecord, type StreamId, streamKey } from '#shared/wire/link.ts';
import type { Naming } from '#shared/wire/mm2-topics.ts';
import type { MirrorHost } from '../mirror/mirror.ts';
import type { BesideWriter } from './kafka-beside.ts';
import { Copies } from './kafka-copies.ts';
import type { CopyFlows } from './kafka-copy-sources.ts';
import type { Follower } from './kafka-follower.ts';
import { mirrorHost } from './kafka-mirror.ts';
import { ownTopics, shardOf } from './kafka-names.ts';
import type { Owners } from './kafka-owners.ts';
import { KafkaPages } from './kafka-pages.ts';
import type { KafkaRegistry } from './kafka-registry.ts';
import { fromRecord, type TopicFact } from './kafka-rows.ts';
import type { TopicWatch } from './kafka-topic-watch.ts';
import {
  type AliasState,
  type AliasSummary,
  type AliasWrite,
  type CheckpointRow,
  type CommittedAlias,
  type CommittedHeartbeat,
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
import { Shard, type ShardParts } from './shard.ts';
import { planFills } from './shard-copies.ts';
import {
  type AliasEntry,
  checkpointOf,
  checkpointRowOf,
  copyKey,
  lostWithin,
  ShardState,
  stateOf,
  summaryOf,
  topicFactIn,
} from './shard-state.ts';

export interface KafkaLandingParts {
  kafka: Kafka;
  clock: Clock;
  log: Logger;
  follower: Follower;
  registry: KafkaRegistry;
  shards: number;
  centralId: string;
  shardParts: Pick<ShardParts, 'settings' | 'prepare' | 'forget'>;
  beside: BesideWriter;
  flows: CopyFlows;
  /** Central's own alias. */
  alias: string;
  topicSettings: MirrorHost['topicSettings'];
  /** How the settings of a topic do not fit. */
  troublesOf: (topic: string) => readonly string[];
  /** Keeps them looked at; `names`: the topics that landed. */
  watchTopics: (names: () => readonly string[]) => TopicWatch;
  joinOwners: (linkUrl: string | null, onShards: (mine: readonly number[]) => void) => Owners;
}

type ForeignListener = (alias: string, committed: CommittedAlias | undefined) => void;

/** How long a start waits for its share of the sites. */
const serveTimeoutMs = 15_000;

/**
 * The landing in Kafka: every shard's state is followed here, whoever owns it, so that each
 * collector answers for the whole fleet; commits go through the shards that are ours.
 */
export class KafkaLanding implements Landing {
  readonly kind = 'kafka';
  readonly centralId: string;
  readonly mirror: MirrorHost;
  readonly #parts: KafkaLandingParts;
  readonly #states: ShardState[];
  readonly #shards: Shard[];
  readonly #pages: KafkaPages;
  #owners: Owners | undefined;
  readonly #foreign = new Set<ForeignListener>();
  #mine = new Set<number>();
  #closed: Promise<void> | undefined;
  readonly #moving: Promise<void>[];
  #copies: Copies | undefined;
  #topics: TopicWatch | undefined;

  constructor(parts: KafkaLandingParts) {
    this.#parts = parts;
    this.centralId = parts.centralId;
    this.#pages = new KafkaPages(parts.kafka);
    this.#states = Array.from({ length: parts.shards }, () => new ShardState());
    this.#shards = this.#states.map((state, id) => {
      return new Shard(id, state, {
        ...{ kafka: parts.kafka, clock: parts.clock, log: parts.log, follower: parts.follower },
        ...parts.shardParts,
        topicElsewhere: (topic) => this.topicFact(topic),
        beside: (stage, shard, at) =>
          parts.beside.for(stage, (alias) => shardOf(alias, parts.shards) === shard, at),
        // One that was given to another is fenced as it should be.
        onFenced: () => this.#mine.has(id) && this.#owners?.contested(),
      });
    });
    this.mirror = mirrorHost(this.#shards, parts);
    this.#moving = this.#shards.map(() => Promise.resolve());
    for (const [partition, state] of this.#states.entries()) this.#follow(partition, state);
  }

  async serve(linkUrl: string | null): Promise<void> {
    const { clock, joinOwners, kafka, log, flows, alias, watchTopics } = this.#parts;
    this.#copies = new Copies({
      ...{ kafka, clock, log, flows, alias, shards: this.#shards },
      isLanded: (topic) => this.topicFact(topic) !== undefined,
    });
    this.#topics = watchTopics(() => this.#states.flatMap(({ topics }) => [...topics.keys()]));
    await new Promise<void>((resolve) => {
      this.#owners = joinOwners(linkUrl, (mine) => {
        this.#own(mine);
        // Taken over one beside the other: the slowest counts.
        Promise.all(this.#moving).then(() => resolve());
      });
      // Where another collector is slow to hand over, its sites come as they are free.
      clock.sleep(serveTimeoutMs).then(resolve);
    });
  }

  /** All shards' rows as they are now, and from then on those of shards that are not ours. */
  async readAll(): Promise<void> {
    const partitions = this.#states.flatMap((_, partition) => [
      { topic: ownTopics.checkpoints, partition },
      { topic: ownTopics.fleet, partition },
    ]);
    await this.#parts.follower.readToEnd(partitions);
    for (const at of partitions) {
      if (!this.#shards[at.partition]!.owned) this.#parts.follower.activate(at, true);
    }
  }

  route(alias: string): Route {
    const shard = this.#shardOf(alias);
    if (shard.owned) return { to: 'here' };
    const owner = this.#owners?.ownerOf(shard.id);
    if (!owner || owner.mine || owner.linkUrl === null) return { to: 'nobody' };
    return { to: 'other', url: owner.linkUrl };
  }

  onForeign(listener: ForeignListener): void {
    this.#foreign.add(listener);
  }

  topicFact(topic: string): TopicFact | undefined {
    return topicFactIn(this.#states, topic, this.#naming);
  }

  async load(alias: string): Promise<AliasState | undefined> {
    this.#assertOpen();
    const shard = this.#shardOf(alias);
    if (!shard.owned) throw new LandingError('moved', `another collector owns "${alias}"`);
    const entry = shard.state.alias(alias);
    return entry && stateOf(entry);
  }

  async aliases(): Promise<AliasSummary[]> {
    this.#assertOpen();
    return this.#entries().map(summaryOf);
  }

  async commit(writes: readonly AliasWrite[]): Promise<LandedWrite[]> {
    this.#assertOpen();
    const shards = new Set(writes.map(({ alias }) => this.#shardOf(alias)));
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
    return this.#entries()
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
      alias === undefined ? this.#states.map((_, i) => i) : [this.#shardOf(alias).id];
    return this.#ask(() => this.#pages.losses(partitions, filter));
  }

  async lostWithin(alias: string, id: StreamId, first: number, last: number): Promise<number> {
    const entry = this.#shardOf(alias).state.alias(alias);
    return lostWithin(entry?.streams.get(streamKey(id)), first, last);
  }

  topics(): Promise<TopicRow[]> {
    const { troublesOf } = this.#parts;
    const kinds = new Map<string, TopicRow['kind']>([[ownTopics.losses, 'internal']]);
    for (const topic of Object.values(ownTopics)) {
      if (troublesOf(topic).length > 0) kinds.set(topic, 'internal');
    }
    for (const t of this.#states.flatMap(({ topics }) => [...topics.keys()])) {
      kinds.set(t, this.topicFact(t)!.kind);
    }
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
      const waiting = [...this.#mine].filter((id) => !this.#shards[id]!.owned);
      if (waiting.length === 0) return;
      throw new LandingError('unavailable', `${waiting.length} of our shards are being taken over`);
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
    await Promise.all([this.#copies?.close(), this.#topics?.close()]);
    if (inOrder) {
      await Promise.all(this.#shards.map((shard) => shard.release()));
      await this.#owners?.leave();
    }
    await follower.close();
    await kafka.close();
  }

  #shardOf(alias: string): Shard {
    return this.#shards[shardOf(alias, this.#shards.length)]!;
  }

  #entries(): AliasEntry[] {
    const all = this.#states.flatMap((state) => state.known());
    return all.sort((a, b) => (a.alias < b.alias ? -1 : 1));
  }

  #follow(partition: number, state: ShardState): void {
    const { follower } = this.#parts;
    const tell = (alias: string) => {
      if (this.#shards[partition]!.isSettled) return;
      const entry = state.alias(alias);
      const committed = entry && {
        summary: summaryOf(entry),
        checkpoints: [...entry.streams.values()].map(checkpointOf),
      };
      for (const listener of this.#foreign) listener(alias, committed);
    };
    follower.add({ topic: ownTopics.checkpoints, partition }, (records) => {
      const touched = new Set<string>();
      for (const record of records) {
        const row = fromRecord(record);
        if (!row) continue;
        state.apply(row);
        if (row.key[0] !== 'topic' && row.key[0] !== 'transaction') touched.add(row.key[1]);
      }
      for (const alias of touched) tell(alias);
    });
    follower.add({ topic: ownTopics.fleet, partition }, (records) => {
      const touched = new Set<string>();
      for (const record of records) touched.add(applyHeartbeat(state, record));
      for (const alias of touched) tell(alias);
    });
  }

  /** Gives up what is no longer ours first, so that its next owner need not fence us. */
  #own(mine: readonly number[]): void {
    this.#mine = new Set(mine);
    for (const shard of this.#shards) {
      this.#moving[shard.id] = this.#moving[shard.id]!.then(() =>
        this.#mine.has(shard.id) ? this.#acquire(shard) : shard.release(),
      );
    }
  }

  async #acquire(shard: Shard): Promise<void> {
    const { clock, log } = this.#parts;
    const backoff = new Backoff({ baseMs: 100, maxMs: 2_000, random: Math.random });
    const had = shard.owned;
    while (this.#mine.has(shard.id) && !this.#closed) {
      try {
        await shard.acquire(() => this.#planFills(shard));
        if (!had) log.debug({ shard: shard.id }, 'shard taken over');
        return;
      } catch (error) {
        if ((error as KafkaError).code === 'closed') return;
        log.warn({ shard: shard.id, err: error }, 'a shard cannot be taken over yet');
        await clock.sleep(backoff.next());
      }
    }
  }

  /** Before its first commit: what is older than a flow comes before what is newer. */
  #planFills({ state }: Shard): void {
    for (const { into, from, partition } of planFills(state, this.#parts.flows)) {
      const key = copyKey(into, from, partition);
      if (!state.copies.has(key)) state.fills.add(key);
    }
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

function applyHeartbeat(state: ShardState, { key, value }: LogRecord): string {
  const alias = key?.toString('utf8') ?? '';
  const heartbeat = value && (JSON.parse(value.toString('utf8')) as CommittedHeartbeat);
  state.heartbeat(alias, heartbeat);
  return alias;
}
