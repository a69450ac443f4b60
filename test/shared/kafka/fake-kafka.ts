import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Fetched,
  type FetchedBatch,
  type FetchOptions,
  type FetchPosition,
  type Kafka,
  KafkaError,
  type TopicInfo,
  type TopicPartition,
} from '#shared/kafka/kafka.ts';
import { readBatchHeader } from '#shared/wire/record-batch.ts';

interface Log {
  start: number;
  end: number;
  batches: FetchedBatch[];
  /** What a fetch of it answers instead. */
  error: KafkaError | undefined;
  leader: number;
}

interface Topic {
  id: string;
  logs: Log[];
}

/**
 * A cluster in memory, as far as reading goes: topics that grow, lose their beginning, go and come
 * again under another id; down and up.
 */
export class FakeKafka implements Kafka {
  readonly topics = new Map<string, Topic>();
  isDown = false;
  /** Every round asked for, by `topic-partition@offset`. */
  readonly rounds: string[][] = [];
  readonly fetchOptions: FetchOptions[] = [];
  #ids = 0;
  #news: (() => void)[] = [];
  isClosed = false;

  readonly admin = {
    topics: async (names?: readonly string[]): Promise<TopicInfo[]> => {
      await this.#answer();
      const found = [...this.topics].filter(
        ([name]) => names === undefined || names.includes(name),
      );
      return found.map(([topic, { id, logs }]) => ({
        topic,
        id,
        internal: false,
        partitions: logs.map(({ leader }, partition) => ({
          partition,
          leader,
          replicas: [],
          isr: [],
        })),
      }));
    },
    offsets: async (
      of: readonly TopicPartition[],
      at: 'earliest' | 'latest' | number,
    ): Promise<number[]> => {
      await this.#answer();
      return of.map((one) => {
        const log = this.#log(one);
        if (!log) throw this.#missing(one);
        return at === 'earliest' ? log.start : log.end;
      });
    },
  } as unknown as Kafka['admin'];

  readonly reads = {
    fetch: async (positions: readonly FetchPosition[], options: FetchOptions) => {
      const asked = positions.map(
        ({ topic, partition, offset }) => `${topic}-${partition}@${offset}`,
      );
      this.rounds.push(asked);
      this.fetchOptions.push(options);
      const until = performance.now() + options.maxWaitMs;
      for (;;) {
        await this.#answer();
        if (options.signal?.aborted) throw new KafkaError('closed', 'given up');
        const answers = positions.map((position) => this.#fetch(position));
        const isNews = answers.some((one) => one.error || one.nextOffset > at(positions, one));
        const left = until - performance.now();
        if (isNews || left <= 0) return answers;
        await this.#untilNews(left, options.signal);
      }
    },
  };

  producer(): never {
    throw new Error('this one only reads');
  }

  join(): never {
    throw new Error('this one only reads');
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.#tell();
  }

  create(topic: string, partitions = 1): void {
    this.#ids += 1;
    const logs = Array.from({ length: partitions }, (_, i) => emptyLog(1 + (i % 2)));
    this.topics.set(topic, { id: this.#ids.toString(16).padStart(32, '0'), logs });
    this.#tell();
  }

  grow(topic: string, partitions: number): void {
    const { logs } = this.topics.get(topic)!;
    while (logs.length < partitions) logs.push(emptyLog(1));
  }

  delete(topic: string): void {
    this.topics.delete(topic);
    this.#tell();
  }

  /** Behind all that is there; its offsets are written into it. */
  append(topic: string, partition: number, batch: Buffer): void {
    const log = this.log(topic, partition);
    const bytes = Buffer.from(batch);
    bytes.writeBigInt64BE(BigInt(log.end), 0);
    const lastOffset = log.end + readBatchHeader(bytes).lastOffsetDelta;
    log.batches.push({ baseOffset: log.end, lastOffset, bytes });
    log.end = lastOffset + 1;
    this.#tell();
  }

  /** Offsets that no batch has: markers, or what compaction left of them. */
  skip(topic: string, partition: number, count: number): void {
    this.log(topic, partition).end += count;
    this.#tell();
  }

  /** Retention: what is before `offset` goes. */
  trim(topic: string, partition: number, offset: number): void {
    const log = this.log(topic, partition);
    log.start = offset;
    log.batches = log.batches.filter(({ lastOffset }) => lastOffset >= offset);
    this.#tell();
  }

  /** A leader that lacked the newest records was elected. */
  cutBack(topic: string, partition: number, end: number): void {
    const log = this.log(topic, partition);
    log.end = end;
    log.batches = log.batches.filter(({ lastOffset }) => lastOffset < end);
    this.#tell();
  }

  fail(topic: string, partition: number, error: KafkaError | undefined): void {
    this.log(topic, partition).error = error;
    this.#tell();
  }

  log(topic: string, partition: number): Log {
    const log = this.#log({ topic, partition });
    if (!log) throw new Error(`the fake has no ${topic}-${partition}`);
    return log;
  }

  #log({ topic, partition }: TopicPartition): Log | undefined {
    return this.topics.get(topic)?.logs[partition];
  }

  #fetch({ topic, partition, offset, topicId }: FetchPosition): Fetched {
    const log = this.#log({ topic, partition });
    const [start, end] = log ? [log.start, log.end] : [-1, -1];
    const place = {
      topic,
      partition,
      highWatermark: end,
      lastStableOffset: end,
      logStartOffset: start,
    };
    const error =
      log === undefined
        ? this.#missing({ topic, partition })
        : this.#error(log, topic, topicId, offset);
    if (error) return { ...place, error, batches: [], nextOffset: offset };
    const batches = log!.batches.filter(({ lastOffset }) => lastOffset >= offset).slice(0, 3);
    const nextOffset = batches.length < 3 ? end : batches.at(-1)!.lastOffset + 1;
    return { ...place, error: null, batches, nextOffset };
  }

  #error(
    log: Log,
    topic: string,
    topicId: string | undefined,
    offset: number,
  ): KafkaError | undefined {
    const { id } = this.topics.get(topic)!;
    if (topicId !== undefined && topicId !== id) {
      return new KafkaError('unavailable', 'no such id', { kafkaCode: 'UNKNOWN_TOPIC_ID', topic });
    }
    if (log.error) return log.error;
    if (offset >= log.start && offset <= log.end) return undefined;
    const what = `offset ${offset} is not in ${log.start} to ${log.end}`;
    return new KafkaError('out-of-range', what, { kafkaCode: 'OFFSET_OUT_OF_RANGE', topic });
  }

  #missing({ topic, partition }: TopicPartition): KafkaError {
    return new KafkaError('missing', `there is no ${topic}-${partition}`, { topic, partition });
  }

  async #answer(): Promise<void> {
    await sleep(0);
    if (this.isClosed) throw new KafkaError('closed', 'closed');
    if (this.isDown) throw new KafkaError('unavailable', 'no broker answers');
  }

  #untilNews(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      const wake = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#news.push(wake);
      signal?.addEventListener('abort', wake, { once: true });
    });
  }

  #tell(): void {
    for (const wake of this.#news.splice(0)) wake();
  }
}

const emptyLog = (leader: number): Log => ({
  start: 0,
  end: 0,
  batches: [],
  error: undefined,
  leader,
});

const at = (positions: readonly FetchPosition[], { topic, partition }: TopicPartition): number =>
  positions.find((one) => one.topic === topic && one.partition === partition)!.offset;
