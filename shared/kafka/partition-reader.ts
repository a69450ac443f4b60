import { Backoff } from '../std/backoff.ts';
import type { Clock } from '../std/clock.ts';
import {
  type Fetched,
  type FetchPosition,
  type Isolation,
  type Kafka,
  KafkaError,
  type TopicPartition,
} from './kafka.ts';

export interface PartitionReaderOptions {
  isolation: Isolation;
  /**
   * Takes over what came, in order; the partition is read on when it has resolved, the others
   * meanwhile. Rejects: it comes again, after a pause that grows.
   */
  onFetched(of: TopicPartition, fetched: Fetched): Promise<void>;
  /**
   * This partition alone failed, in reading or in being taken over. May `seek` or `remove` it;
   * it is read again after a pause, or at once after a seek. Rejecting changes nothing.
   */
  onError(of: TopicPartition, error: Error): Promise<void> | void;
  /** It was read, if only to see that there is nothing new: all before `offset` was taken over. */
  onPosition?(of: TopicPartition, offset: number): void;
  /**
   * Bytes of answers that are asked for at once, and of those not taken over yet, each. Default
   * 16 MiB.
   */
  maxBytes?: number;
  /** How long a broker waits for something new. Default 500 ms. */
  maxWaitMs?: number;
  /** Longest pause of a partition that fails. Default 10 s. */
  maxPauseMs?: number;
}

export interface ReaderDeps {
  clock: Clock;
  random: () => number;
}

export interface ReadFrom extends FetchPosition {
  /** Where its leader was last seen: partitions of one leader are asked for together. */
  leader: number;
}

interface Part extends ReadFrom {
  backoff: Backoff;
  /** Differs after `seek` and `remove`: what was asked for before it counts for nothing. */
  life: number;
}

/** Requests to one broker side by side: one waits for news, one goes on with who is busy. */
const roundsPerLeader = 2;
/** How long a round waits for its takers, to ask for all together again. */
const graceMs = 20;
/** How long partitions that come back one by one are waited for. */
const gatherMs = 5;
const smallestAnswer = 256 * 1024;

/**
 * Reads many partitions on and on, each at its own pace: a partition that fails, or is taken over
 * slowly, is left out of the requests meanwhile and holds up nobody. Memory is bounded whatever
 * their number.
 */
export class PartitionReader {
  readonly #reads: Kafka['reads'];
  readonly #options: PartitionReaderOptions;
  readonly #deps: ReaderDeps;
  readonly #parts = new Map<string, Part>();
  /** Ready to be asked for, by leader. */
  readonly #ready = new Map<number, Set<Part>>();
  readonly #rounds = new Map<number, number>();
  readonly #gathering = new Set<number>();
  readonly #stop = new AbortController();
  readonly #working = new Set<Promise<void>>();
  #bytesInHand = 0;
  #lives = 0;

  constructor(reads: Kafka['reads'], options: PartitionReaderOptions, deps: ReaderDeps) {
    this.#reads = reads;
    this.#options = options;
    this.#deps = deps;
  }

  /** A partition that is read already stays where it is. */
  add(from: ReadFrom): void {
    if (this.#parts.has(keyOf(from)) || this.#stop.signal.aborted) return;
    const { random } = this.#deps;
    const maxMs = this.#options.maxPauseMs ?? 10_000;
    const backoff = new Backoff({ baseMs: 200, maxMs, random });
    const part: Part = { ...from, backoff, life: this.#lives++ };
    this.#parts.set(keyOf(from), part);
    this.#becomeReady(part);
  }

  has(of: TopicPartition): boolean {
    return this.#parts.has(keyOf(of));
  }

  /** Next offset that is not taken over yet. */
  position(of: TopicPartition): number | undefined {
    return this.#parts.get(keyOf(of))?.offset;
  }

  /** What is under way of it is given up. */
  remove(of: TopicPartition): void {
    const part = this.#parts.get(keyOf(of));
    if (!part) return;
    this.#parts.delete(keyOf(of));
    this.#ready.get(part.leader)?.delete(part);
    part.life = -1;
  }

  /** Goes on at another place; what is under way of it is given up. */
  seek(of: TopicPartition, to: { offset: number; topicId?: string }): void {
    const part = this.#parts.get(keyOf(of));
    if (!part) return;
    this.remove(of);
    const { topic, partition, leader, topicId } = part;
    this.add({ topic, partition, leader, ...(topicId ? { topicId } : {}), ...to });
  }

  lead(of: TopicPartition, leader: number): void {
    const part = this.#parts.get(keyOf(of));
    if (!part || part.leader === leader) return;
    const isReady = this.#ready.get(part.leader)?.delete(part) === true;
    part.leader = leader;
    if (isReady) this.#becomeReady(part);
  }

  /** Resolves when nothing more is handed over, and what was has been taken over. */
  async stop(): Promise<void> {
    this.#stop.abort();
    while (this.#working.size > 0) await Promise.all(this.#working);
  }

  #becomeReady(part: Part): void {
    const ready = this.#ready.get(part.leader) ?? new Set();
    this.#ready.set(part.leader, ready);
    ready.add(part);
    void this.#gather(part.leader);
  }

  async #gather(leader: number): Promise<void> {
    if (this.#gathering.has(leader)) return;
    this.#gathering.add(leader);
    // Those that become ready in this turn go along.
    await Promise.resolve();
    if (!this.#areAllReady(leader)) await this.#sleep(gatherMs);
    this.#gathering.delete(leader);
    this.#begin(leader);
  }

  /** Nobody is left to wait for. */
  #areAllReady(leader: number): boolean {
    const ready = this.#ready.get(leader)?.size ?? 0;
    let led = 0;
    for (const part of this.#parts.values()) if (part.leader === leader) led += 1;
    return ready === led;
  }

  #begin(leader: number): void {
    const ready = this.#ready.get(leader);
    const under = this.#rounds.get(leader) ?? 0;
    if (!ready?.size || under >= roundsPerLeader || this.#stop.signal.aborted) return;
    if (this.#bytesInHand >= this.#maxBytes) return;
    const parts = [...ready];
    ready.clear();
    this.#rounds.set(leader, under + 1);
    this.#work(this.#round(leader, parts));
  }

  get #maxBytes(): number {
    return this.#options.maxBytes ?? 16 * 1024 * 1024;
  }

  #work(work: Promise<void>): void {
    this.#working.add(work);
    void work.finally(() => this.#working.delete(work));
  }

  async #round(leader: number, parts: readonly Part[]): Promise<void> {
    const handed = await this.#fetch(parts);
    const done = Promise.all(handed);
    if (handed.length > 0) await Promise.race([done, this.#sleep(graceMs)]);
    this.#rounds.set(leader, this.#rounds.get(leader)! - 1);
    this.#begin(leader);
  }

  /** Returns what is being taken over. */
  async #fetch(parts: readonly Part[]): Promise<Promise<void>[]> {
    const { isolation, maxWaitMs = 500 } = this.#options;
    const lives = parts.map(({ life }) => life);
    const share = Math.floor(this.#maxBytes / roundsPerLeader / Math.max(1, this.#rounds.size));
    const options = { maxWaitMs, isolation, maxBytes: Math.max(smallestAnswer, share) };
    const { signal } = this.#stop;
    try {
      const answers = await this.#reads.fetch(parts, { ...options, signal });
      const alive = parts.flatMap((part, i) =>
        part.life === lives[i] ? [{ part, fetched: answers[i]! }] : [],
      );
      return this.#takeIn(alive);
    } catch (error) {
      const isClosed = error instanceof KafkaError && error.code === 'closed';
      if (isClosed) this.#stop.abort();
      else for (const part of parts) this.#fail(part, error as Error);
      return [];
    }
  }

  #takeIn(alive: readonly { part: Part; fetched: Fetched }[]): Promise<void>[] {
    const handed: Promise<void>[] = [];
    let bytes = 0;
    for (const { part, fetched } of alive) {
      if (fetched.error) this.#fail(part, fetched.error);
      else if (fetched.batches.length === 0) this.#moved(part, fetched.nextOffset);
      else {
        for (const batch of fetched.batches) bytes += batch.bytes.length;
        handed.push(this.#hand(part, fetched));
      }
    }
    // one answer's bytes go together: each partition's are views of them
    this.#bytesInHand += bytes;
    this.#work(Promise.all(handed).then(() => this.#letGo(bytes)));
    return handed;
  }

  #letGo(bytes: number): void {
    const wasFull = this.#bytesInHand >= this.#maxBytes;
    this.#bytesInHand -= bytes;
    if (wasFull) for (const leader of this.#ready.keys()) this.#begin(leader);
  }

  async #hand(part: Part, fetched: Fetched): Promise<void> {
    const { life } = part;
    try {
      await this.#options.onFetched(part, fetched);
      if (part.life === life) this.#moved(part, fetched.nextOffset);
    } catch (error) {
      if (part.life === life) this.#fail(part, error as Error);
    }
  }

  #moved(part: Part, offset: number): void {
    part.offset = offset;
    part.backoff.reset();
    this.#options.onPosition?.(part, offset);
    this.#becomeReady(part);
  }

  #fail(part: Part, error: Error): void {
    this.#work(this.#pause(part, error));
  }

  async #pause(part: Part, error: Error): Promise<void> {
    const { life } = part;
    if (life === -1) return;
    await Promise.resolve(this.#options.onError(part, error)).catch(() => undefined);
    if (part.life !== life) return;
    await this.#sleep(part.backoff.next());
    if (part.life === life) this.#becomeReady(part);
  }

  async #sleep(ms: number): Promise<void> {
    await this.#deps.clock.sleep(ms, this.#stop.signal).catch(() => undefined);
  }
}

const keyOf = ({ topic, partition }: TopicPartition): string => `${topic} ${partition}`;
