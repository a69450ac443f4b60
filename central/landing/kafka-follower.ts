import {
  type Fetched,
  type Isolation,
  type Kafka,
  KafkaError,
  type TopicPartition,
} from '#shared/kafka/kafka.ts';
import { type LogRecord, openRecords } from '#shared/kafka/open-records.ts';
import { Backoff } from '#shared/std/backoff.ts';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import { Signal } from '#shared/std/signal.ts';

const pollMs = 500;
const partitionBytesMax = 4 * 1024 * 1024;
const answerBytesMax = 16 * 1024 * 1024;

interface Followed extends TopicPartition {
  offset: number;
  use: (records: Iterable<LogRecord>) => void;
  /** Read by the loop; else only when somebody asks for its end. */
  active: boolean;
}

/**
 * Reads what is committed of our own topics, from where it stands, for as long as it runs. What
 * another collector writes is handed over within a moment of its commit.
 */
export class Follower {
  readonly #kafka: Kafka;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #all = new Map<string, Followed>();
  readonly #woken = new Signal();
  readonly #stopped = new AbortController();
  readonly #backoff: Backoff;
  readonly #done: Promise<void>;
  #troubled = false;

  constructor(parts: { kafka: Kafka; clock: Clock; log: Logger }) {
    this.#kafka = parts.kafka;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#backoff = new Backoff({ baseMs: 100, maxMs: 2_000, random: Math.random });
    this.#done = this.#run();
  }

  /** From the partition's start; not read before `readToEnd` or `activate`. */
  add(at: TopicPartition, use: Followed['use']): void {
    this.#all.set(keyOf(at), { ...at, offset: 0, use, active: false });
  }

  activate(at: TopicPartition, active: boolean): void {
    this.#of(at).active = active;
    this.#woken.notify();
  }

  /**
   * Throws a KafkaError `unavailable` where `offset`, at which we have just written, does not follow
   * what was read: a leader that was cut off, and did not know it, had told an older end.
   */
  assertNext(at: TopicPartition, offset: number): void {
    const { offset: known } = this.#of(at);
    // A marker of our own may stand between.
    if (offset <= known + 1) return;
    const message = `${keyOf(at)}: wrote at ${offset}, and only what is before ${known} was read`;
    throw new KafkaError('unavailable', message, at);
  }

  /** We wrote it ourselves and know it: go on behind. */
  skipTo(at: TopicPartition, offset: number): void {
    const followed = this.#of(at);
    followed.offset = Math.max(followed.offset, offset);
  }

  /**
   * Resolves when all that was committed when it was called is handed over. `uncommitted`: what is
   * in a transaction then counts, too, and is waited for, since a commit is answered before its
   * markers stand in the log; only for who has fenced its writer, or the brokers' timeout is waited
   * for. The partitions are not active meanwhile and afterwards. Rejects with a KafkaError.
   */
  async readToEnd(partitions: readonly TopicPartition[], end: Isolation): Promise<void> {
    const all = partitions.map((at) => this.#of(at));
    for (const one of all) one.active = false;
    try {
      const ends = await this.#kafka.admin.offsets(partitions, 'latest', end);
      for (;;) {
        const behind = all.filter((one, index) => one.offset < ends[index]!);
        if (behind.length === 0) return;
        const answers = await this.#fetch(behind, 100);
        const failed = answers.find(({ error }) => error)?.error;
        if (failed) throw failed;
      }
    } catch (error) {
      throw asOurs(error as KafkaError);
    }
  }

  async close(): Promise<void> {
    this.#stopped.abort();
    this.#woken.notify();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const active = [...this.#all.values()].filter((one) => one.active);
      try {
        if (active.length === 0) await this.#woken.wait(signal);
        else await this.#round(active);
      } catch (error) {
        if (!signal.aborted) await this.#failed(error as KafkaError);
      }
    }
  }

  async #round(active: Followed[]): Promise<void> {
    const answers = await this.#fetch(active, pollMs);
    const failed = answers.find(({ error }) => error)?.error;
    if (failed) throw failed;
    if (this.#troubled) this.#log.info('our own topics can be read again');
    this.#troubled = false;
    this.#backoff.reset();
  }

  async #failed(error: KafkaError): Promise<void> {
    if (!this.#troubled) this.#log.warn({ err: error }, 'our own topics cannot be read');
    this.#troubled = true;
    await this.#clock.sleep(this.#backoff.next(), this.#stopped.signal).catch(() => {});
  }

  async #fetch(followed: readonly Followed[], maxWaitMs: number): Promise<Fetched[]> {
    const asked = followed.map((one) => ({ one, offset: one.offset }));
    const answers = await this.#kafka.reads.fetch(
      asked.map(({ one: { topic, partition, offset } }) => {
        return { topic, partition, offset, maxBytes: partitionBytesMax };
      }),
      {
        ...{ maxWaitMs, maxBytes: answerBytesMax, isolation: 'committed' },
        signal: this.#stopped.signal,
      },
    );
    for (const [index, answer] of answers.entries()) {
      const { one, offset } = asked[index]!;
      // Read twice at a time (the loop's last round, and readToEnd): only the first counts.
      if (!answer.error && one.offset === offset) this.#use(one, answer);
    }
    return answers;
  }

  #use(one: Followed, { batches, nextOffset }: Fetched): void {
    const from = one.offset;
    one.offset = nextOffset;
    for (const { bytes } of batches) one.use(recordsFrom(bytes, from));
  }

  #of(at: TopicPartition): Followed {
    const followed = this.#all.get(keyOf(at));
    if (!followed) throw new RangeError(`${keyOf(at)} is not followed`);
    return followed;
  }
}

/** Our own topics were made before they are followed: a broker may not have heard of it yet. */
function asOurs(error: KafkaError): KafkaError {
  if (error.code !== 'missing') return error;
  const { message, topic, partition, kafkaCode } = error;
  const about = { topic, partition, kafkaCode: kafkaCode ?? undefined };
  return new KafkaError('unavailable', message, { cause: error, ...about });
}

const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;

function* recordsFrom(batch: Buffer, offset: number): Generator<LogRecord> {
  for (const record of openRecords(batch, { trusted: true })) {
    if (record.offset >= offset) yield record;
  }
}
