import type { Kafka, KafkaError } from '#shared/kafka/kafka.ts';
import { atMost } from '#shared/std/at-most.ts';
import { Backoff } from '#shared/std/backoff.ts';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import type { BesideWriter } from './kafka-beside.ts';
import type { CopyFlows } from './kafka-copy-sources.ts';
import type { Follower } from './kafka-follower.ts';
import { ownTopics, shardOf } from './kafka-names.ts';
import type { Owners } from './kafka-owners.ts';
import type { TopicFact } from './kafka-rows.ts';
import { type ForeignListener, followShard } from './kafka-shard-follower.ts';
import type { Route } from './landing.ts';
import { Shard, type ShardParts } from './shard.ts';
import { planFills } from './shard-copies.ts';
import { type AliasEntry, copyKey, ShardState, topicFactIn } from './shard-state.ts';

export interface KafkaShardsParts {
  kafka: Kafka;
  clock: Clock;
  log: Logger;
  follower: Follower;
  shards: number;
  shardParts: Pick<ShardParts, 'settings' | 'prepare' | 'forget'>;
  beside: BesideWriter;
  flows: CopyFlows;
  /** Ends waiting for the first share. */
  signal: AbortSignal | undefined;
  joinOwners: (linkUrl: string | null, onShards: (mine: readonly number[]) => void) => Owners;
}

/** How long a start waits for its share of the sites. */
const serveTimeoutMs = 15_000;
/** How long what is under way may take when we leave. */
const landMs = 3_000;
/** How long the group is told that we leave; it notices by itself. */
const tellMs = 2_000;

/** The shards of the fleet: followed here whoever owns them, served those that are ours. */
export class KafkaShards {
  readonly all: readonly Shard[];
  readonly states: readonly ShardState[];
  readonly #parts: KafkaShardsParts;
  readonly #moving: Promise<void>[];
  readonly #foreign = new Set<ForeignListener>();
  #owners: Owners | undefined;
  #mine = new Set<number>();
  #stopped = false;
  #left = false;

  constructor(parts: KafkaShardsParts) {
    this.#parts = parts;
    const { kafka, clock, log, follower, shards, shardParts, beside } = parts;
    this.states = Array.from({ length: shards }, () => new ShardState());
    this.all = this.states.map((state, id) => {
      return new Shard(id, state, {
        ...{ kafka, clock, log, follower },
        ...shardParts,
        topicElsewhere: (topic) => this.topicFact(topic),
        beside: (stage, shard, at) =>
          beside.for(stage, (alias) => shardOf(alias, shards) === shard, at),
        // One that was given to another is fenced as it should be.
        onFenced: () => this.#mine.has(id) && !this.#left && this.#owners?.contested(),
      });
    });
    this.#moving = this.all.map(() => Promise.resolve());
    for (const shard of this.all) {
      followShard(shard, follower, (alias, committed) => {
        for (const listener of this.#foreign) listener(alias, committed);
      });
    }
  }

  of(alias: string): Shard {
    return this.all[shardOf(alias, this.all.length)]!;
  }

  /** All aliases that said hello, by name. */
  entries(): AliasEntry[] {
    const all = this.states.flatMap((state) => state.known());
    return all.sort((a, b) => (a.alias < b.alias ? -1 : 1));
  }

  /** Topics that sites or flows landed in, by any shard. */
  topics(): string[] {
    return this.states.flatMap(({ topics }) => [...topics.keys()]);
  }

  topicFact(topic: string): TopicFact | undefined {
    return topicFactIn(this.states, topic, this.#parts.shardParts.settings.naming);
  }

  onForeign(listener: ForeignListener): void {
    this.#foreign.add(listener);
  }

  /** All shards' rows as they are now, and from then on those of shards that are not ours. */
  async readAll(): Promise<void> {
    const { follower } = this.#parts;
    const partitions = this.all.flatMap(({ id: partition }) => [
      { topic: ownTopics.checkpoints, partition },
      { topic: ownTopics.fleet, partition },
    ]);
    await follower.readToEnd(partitions, 'committed');
    for (const at of partitions) {
      if (!this.all[at.partition]!.owned) follower.activate(at, true);
    }
  }

  /** From now on has a share of them. Resolves when that is served, or after a while. */
  async join(linkUrl: string | null): Promise<void> {
    const { clock, joinOwners, signal } = this.#parts;
    const served = new Promise<void>((resolve) => {
      this.#owners = joinOwners(linkUrl, (mine) => {
        if (this.#left) return;
        this.#own(mine);
        // Taken over one beside the other: the slowest counts.
        Promise.all(this.#moving).then(() => resolve());
      });
    });
    // Where another collector is slow to hand over, its sites come as they are free.
    await atMost(clock, serveTimeoutMs, served, signal);
  }

  route(alias: string): Route {
    const shard = this.of(alias);
    if (shard.owned && !this.#left) return { to: 'here' };
    const owner = this.#owners?.ownerOf(shard.id);
    const url = owner && !owner.mine ? owner.linkUrl : null;
    return url === null && !this.#left ? { to: 'nobody' } : { to: 'other', url };
  }

  /** How many of ours are not served (yet). */
  waiting(): number {
    return [...this.#mine].filter((id) => !this.all[id]!.owned).length;
  }

  /** No shard is taken over any more. */
  stop(): void {
    this.#stopped = true;
  }

  /**
   * Lands what is under way, then leaves all to others. Whatever Kafka does, nobody waits long:
   * what does not land in time is given back, and the next owner fences it.
   */
  async leave(): Promise<void> {
    const { clock } = this.#parts;
    this.#left = true;
    this.#own([]);
    await atMost(clock, landMs, Promise.all(this.#moving));
    for (const shard of this.all) shard.giveBack();
    if (this.#owners) await atMost(clock, tellMs, this.#owners.leave());
  }

  /** Gives up what is no longer ours first, so that its next owner need not fence us. */
  #own(mine: readonly number[]): void {
    this.#mine = new Set(mine);
    for (const shard of this.all) {
      this.#moving[shard.id] = this.#moving[shard.id]!.then(() =>
        this.#mine.has(shard.id) ? this.#acquire(shard) : shard.release(),
      );
    }
  }

  async #acquire(shard: Shard): Promise<void> {
    const { clock, log } = this.#parts;
    const backoff = new Backoff({ baseMs: 100, maxMs: 2_000, random: Math.random });
    const had = shard.owned;
    while (this.#mine.has(shard.id) && !this.#stopped) {
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
}
