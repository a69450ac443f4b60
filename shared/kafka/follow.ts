import { Backoff } from '../std/backoff.ts';
import { systemClock } from '../std/clock.ts';
import {
  type FetchedBatch,
  type Isolation,
  type Kafka,
  KafkaError,
  type TopicInfo,
  type TopicPartition,
} from './kafka.ts';
import { PartitionReader, type ReaderDeps } from './partition-reader.ts';

export interface FollowOptions {
  /** Whole topics, those that come to be later and partitions added later included … */
  topics?: readonly string[];
  /** … and single partitions. */
  partitions?: readonly TopicPartition[];
  /**
   * Where a partition begins: its start, its end when it is first seen, or an offset. Default
   * `earliest`.
   */
  from?: (of: TopicPartition) => 'earliest' | 'latest' | number;
  isolation: Isolation;
  /**
   * Batches of one partition, in order. Its next ones come when the promise has resolved, the other
   * partitions' meanwhile. Rejects: they come again after a pause, and `onError` is told.
   */
  onBatches(of: TopicPartition, batches: readonly FetchedBatch[]): Promise<void> | void;
  /** All that was there when it began has been handed over. */
  onCaughtUp?(): void;
  /**
   * What went wrong; it is tried again for ever. `of` is missing where it is about all. A position
   * that is out of range begins at the partition's start again, and is told so.
   */
  onError?(error: Error, of?: TopicPartition): void;
  /** Bytes of answers at once (partition-reader.ts). Default 16 MiB. */
  maxBytes?: number;
  /** How often topics are looked at for new partitions. Default 5 s. */
  refreshMs?: number;
}

interface Waiting {
  /** Positions that are not reached yet. */
  ends: Map<string, number>;
  resolve: () => void;
  reject: (error: KafkaError) => void;
}

/** Leaders of many partitions that fail are looked up together. */
const leastPauseMs = 200;

const systemDeps: ReaderDeps = { clock: systemClock, random: Math.random };

/** Begins at once, and goes on until `stop`. */
export const follow = (kafka: Kafka, options: FollowOptions, deps = systemDeps): Follow =>
  new Follow(kafka, options, deps);

/** Reads topics on and on, in bounded memory, whatever happens to the brokers meanwhile. */
export class Follow {
  readonly #kafka: Kafka;
  readonly #options: FollowOptions;
  readonly #deps: ReaderDeps;
  readonly #reader: PartitionReader;
  readonly #stopped = new AbortController();
  readonly #waiting = new Set<Waiting>();
  readonly #backoff: Backoff;
  /** Each partition's topic id. */
  readonly #lives = new Map<string, string>();
  /** Aborted when leaders should be looked up before their time. */
  #look = new AbortController();
  #looking: Promise<void>;

  constructor(kafka: Kafka, options: FollowOptions, deps: ReaderDeps) {
    this.#kafka = kafka;
    this.#options = options;
    this.#deps = deps;
    this.#backoff = new Backoff({ baseMs: 200, maxMs: 5000, random: deps.random });
    const { isolation, maxBytes } = options;
    this.#reader = new PartitionReader(
      kafka.reads,
      {
        isolation,
        ...(maxBytes === undefined ? {} : { maxBytes }),
        onFetched: async (of, { batches }) => options.onBatches(place(of), batches),
        onError: (of, error) => this.#failed(place(of), error),
        onPosition: (of, offset) => this.#reached(of, offset),
      },
      deps,
    );
    this.#looking = this.#discover();
    if (options.onCaughtUp) this.#catchUp(options.onCaughtUp);
  }

  /** Next offset that is not handed over yet; undefined where it was not begun yet. */
  position(of: TopicPartition): number | undefined {
    return this.#reader.position(of);
  }

  /**
   * Resolves when everything committed up to the ends that the partitions (default: all followed)
   * have now was handed over. A transaction that is open now counts as well: it resolves after that
   * has ended. Tries for ever; rejects only with `closed`, or `missing` for what is not there.
   */
  async readToEnd(partitions?: readonly TopicPartition[]): Promise<void> {
    const wanted = partitions ?? (await this.#insistently(() => this.#all()));
    const ends = await this.#insistently(() =>
      this.#kafka.admin.offsets(wanted, 'latest', 'uncommitted'),
    );
    const missing = new Map<string, number>();
    for (const [i, of] of wanted.entries()) {
      const end = ends[i]!;
      const position = this.#reader.position(of);
      if (position === undefined || position < end) missing.set(keyOf(of), end);
    }
    if (missing.size === 0) return;
    if (this.#stopped.signal.aborted) throw stopped();
    await new Promise<void>((resolve, reject) => {
      this.#waiting.add({ ends: missing, resolve, reject });
    });
  }

  /** Resolves when nothing more is handed over, and `onBatches` has resolved. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#look.abort();
    for (const { reject } of this.#waiting) reject(stopped());
    this.#waiting.clear();
    await Promise.all([this.#looking, this.#reader.stop()]);
  }

  #catchUp(onCaughtUp: () => void): void {
    this.readToEnd().then(onCaughtUp, (error) => {
      if (!this.#stopped.signal.aborted) this.#options.onError?.(error);
    });
  }

  /** Tries again what is only unavailable. */
  async #insistently<T>(work: () => Promise<T>): Promise<T> {
    const { random } = this.#deps;
    const backoff = new Backoff({ baseMs: 200, maxMs: 5000, random });
    for (;;) {
      if (this.#stopped.signal.aborted) throw stopped();
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof KafkaError) || !error.canRetry) throw error;
        this.#options.onError?.(error);
        await this.#sleep(backoff.next(), this.#stopped.signal);
      }
    }
  }

  async #all(): Promise<TopicPartition[]> {
    const { topics = [], partitions = [] } = this.#options;
    const infos = topics.length === 0 ? [] : await this.#kafka.admin.topics(topics);
    return [...partitions, ...infos.flatMap(partitionsOf)];
  }

  /** Follows topics as they grow and leaders as they move. */
  async #discover(): Promise<void> {
    const { refreshMs = 5000 } = this.#options;
    while (!this.#stopped.signal.aborted) {
      let pauseMs = refreshMs;
      this.#look = new AbortController();
      try {
        await this.#refresh();
        this.#backoff.reset();
      } catch (error) {
        if (error instanceof KafkaError && error.code === 'closed') return;
        this.#options.onError?.(error as Error);
        pauseMs = this.#backoff.next();
      }
      await this.#sleep(leastPauseMs, this.#stopped.signal);
      await this.#sleep(pauseMs, this.#look.signal);
    }
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    await this.#deps.clock.sleep(ms, signal).catch(() => undefined);
  }

  async #refresh(): Promise<void> {
    const { topics = [], partitions = [] } = this.#options;
    const names = [...new Set([...topics, ...partitions.map(({ topic }) => topic)])];
    const infos = await this.#kafka.admin.topics(names);
    const wanted = infos.flatMap((info) =>
      partitionsOf(info).filter(
        (of) => topics.includes(of.topic) || partitions.some((one) => keyOf(one) === keyOf(of)),
      ),
    );
    for (const of of wanted) this.#reader.lead(of, of.leader);
    const fresh = wanted.filter((of) => !this.#reader.has(of) || this.#isAnother(of));
    const offsets = await this.#begin(fresh);
    for (const [i, of] of fresh.entries()) {
      const offset = offsets[i]!;
      this.#reader.remove(of);
      this.#reader.add({ ...of, offset });
      this.#lives.set(keyOf(of), of.topicId);
      this.#reached(of, offset);
    }
  }

  /** A topic that was deleted and created again is read from its beginning. */
  #isAnother(of: TopicPartition & { topicId: string }): boolean {
    if (this.#lives.get(keyOf(of)) === of.topicId) return false;
    const message = `topic "${of.topic}" was created anew: it is followed from its beginning`;
    this.#options.onError?.(new KafkaError('out-of-range', message, of), of);
    return true;
  }

  async #begin(fresh: readonly TopicPartition[]): Promise<number[]> {
    const { from = () => 'earliest' as const, isolation } = this.#options;
    const begin = fresh.map((of) => from(of));
    for (const at of ['earliest', 'latest'] as const) {
      const those = fresh.filter((_, i) => begin[i] === at);
      if (those.length === 0) continue;
      const found = await this.#kafka.admin.offsets(those, at, isolation);
      for (const [i, of] of those.entries()) begin[fresh.indexOf(of)] = found[i]!;
    }
    return begin as number[];
  }

  async #failed(of: TopicPartition, error: Error): Promise<void> {
    this.#options.onError?.(error, of);
    if (!(error instanceof KafkaError)) return;
    // leaders move: see where to, but not for each of many partitions anew
    if (error.canRetry) this.#look.abort();
    if (error.code !== 'out-of-range') return;
    const [offset] = await this.#kafka.admin.offsets([of], 'earliest');
    this.#reader.seek(of, { offset: offset! });
    this.#reached(of, offset!);
  }

  #reached(of: TopicPartition, offset: number): void {
    for (const waiting of this.#waiting) {
      const end = waiting.ends.get(keyOf(of));
      if (end === undefined || offset < end) continue;
      waiting.ends.delete(keyOf(of));
      if (waiting.ends.size > 0) continue;
      this.#waiting.delete(waiting);
      waiting.resolve();
    }
  }
}

const keyOf = ({ topic, partition }: TopicPartition): string => `${topic} ${partition}`;
const place = ({ topic, partition }: TopicPartition): TopicPartition => ({ topic, partition });
const stopped = (): KafkaError => new KafkaError('closed', 'nothing is followed any more');

const partitionsOf = ({ topic, id: topicId, partitions }: TopicInfo) =>
  partitions.map(({ partition, leader }) => ({ topic, topicId, partition, leader }));
