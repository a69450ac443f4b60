import type { Fetched, Kafka, TopicInfo } from '#shared/kafka/kafka.ts';
import { Backoff } from '#shared/std/backoff.ts';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import {
  type CopyFlows,
  externalSources,
  type FoundSource,
  fillSources,
  originOf,
} from './kafka-copy-sources.ts';
import type { CopyRow } from './kafka-rows.ts';
import { type Origin, stamp } from './kafka-stamping.ts';
import type { LandingError } from './landing.ts';
import type { Shard } from './shard.ts';
import { type CopyWrite, unsealed } from './shard-copies.ts';
import { copyKey } from './shard-state.ts';

export interface CopierParts {
  kafka: Kafka;
  clock: Clock;
  log: Logger;
  flows: CopyFlows;
  /** Central's own alias: where topics without a prefix come from. */
  alias: string;
  /** The shards that are ours now. */
  owned: () => Shard[];
  /** Whose copy it is: external ones have no alias that would tell. */
  shardOfCopy: (topic: string, partition: number) => number;
  /** Topics that this central writes itself. */
  isOurs: (topic: string) => boolean;
}

const discoverMs = 5_000;
const pollMs = 500;
/** How long a copy that cannot go on is left alone; the others go on. */
const stuckMs = 2_000;
const partitionBytesMax = 1024 * 1024;
const answerBytesMax = 8 * 1024 * 1024;

interface Job extends FoundSource {
  shard: Shard;
}

/**
 * Consume, transform, produce: brings into merged topics what is not merged as it lands. Each piece
 * is one transaction of its shard with how far the copy has come, so that it is there once, whoever
 * dies when. It pulls at its own pace: at most one piece of a partition is under way.
 */
export class Copier {
  readonly #parts: CopierParts;
  readonly #stopped = new AbortController();
  readonly #done: Promise<void>;
  readonly #troubles = new Map<string, { message: string; until: number }>();
  /** Why nothing at all can be copied just now. */
  #away: string | undefined;
  #jobs: Job[] = [];
  #discoveredAt = Number.NEGATIVE_INFINITY;

  constructor(parts: CopierParts) {
    this.#parts = parts;
    this.#done = parts.flows.any ? this.#run() : Promise.resolve();
  }

  /** Why this copy of ours stands still; undefined: it does not, or is another collector's. */
  troubleOf(key: string): string | undefined {
    const job = this.#jobs.find((one) => keyOf(one) === key);
    return job?.shard.owned ? (this.#troubles.get(key)?.message ?? this.#away) : undefined;
  }

  async close(): Promise<void> {
    this.#stopped.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#stopped;
    const backoff = new Backoff({ baseMs: 200, maxMs: 5_000, random: Math.random });
    while (!signal.aborted) {
      try {
        await this.#discover();
        await this.#round();
        backoff.reset();
        this.#away = undefined;
      } catch (error) {
        if (signal.aborted) return;
        this.#away = (error as Error).message;
        if (backoff.attempts === 0) log.warn({ err: error }, 'flows cannot be copied just now');
        await clock.sleep(backoff.next(), signal).catch(() => {});
      }
    }
  }

  async #discover(): Promise<void> {
    const { clock, kafka, owned } = this.#parts;
    const shards = owned();
    const isNew = shards.some((shard) => !this.#jobs.some((job) => job.shard === shard));
    const age = clock.monotonic() - this.#discoveredAt;
    if (age < discoverMs && !(isNew && age > pollMs)) return;
    const topics = await kafka.admin.topics();
    this.#jobs = [...this.#external(topics, shards), ...this.#fills(topics, shards)];
    this.#discoveredAt = clock.monotonic();
  }

  *#external(topics: readonly TopicInfo[], shards: readonly Shard[]): Generator<Job> {
    const { flows, isOurs, shardOfCopy } = this.#parts;
    for (const source of externalSources(topics, flows, isOurs)) {
      const id = shardOfCopy(source.from, source.partition);
      const shard = shards.find((one) => one.id === id);
      if (shard) yield { ...source, shard };
    }
  }

  *#fills(topics: readonly TopicInfo[], shards: readonly Shard[]): Generator<Job> {
    const byName = new Map(topics.map((info) => [info.topic, info]));
    for (const shard of shards) {
      for (const source of fillSources(byName, this.#parts.flows, shard.state)) {
        yield { ...source, shard };
      }
    }
  }

  async #round(): Promise<void> {
    const { kafka, clock } = this.#parts;
    const now = clock.monotonic();
    const jobs = this.#jobs.filter((job) => {
      return job.shard.owned && (this.#troubles.get(keyOf(job))?.until ?? now) <= now;
    });
    if (jobs.length === 0) {
      await clock.sleep(pollMs, this.#stopped.signal).catch(() => {});
      return;
    }
    const rows = jobs.map((job) => this.#rowOf(job));
    const positions = await Promise.all(jobs.map((job, i) => this.#position(job, rows[i])));
    const answers = await kafka.reads.fetch(
      jobs.map(({ from, partition }, i) => {
        return { topic: from, partition, offset: positions[i]!, maxBytes: partitionBytesMax };
      }),
      {
        ...{ maxWaitMs: pollMs, maxBytes: answerBytesMax, isolation: 'committed' },
        signal: this.#stopped.signal,
      },
    );
    await Promise.all(
      answers.map((answer, i) => this.#piece(jobs[i]!, rows[i], positions[i]!, answer)),
    );
  }

  #rowOf({ shard, into, from, partition }: Job): CopyRow | undefined {
    return shard.state.copies.get(copyKey(into, from, partition));
  }

  async #position(job: Job, row: CopyRow | undefined): Promise<number> {
    const { from, partition, incarnation, start, own } = job;
    if (row?.incarnation === incarnation) return row.next;
    // A topic that was deleted and made again begins again.
    const at = row || own ? 'earliest' : start;
    const [offset] = await this.#parts.kafka.admin.offsets(
      [{ topic: from, partition }],
      at,
      'committed',
    );
    return offset!;
  }

  async #piece(job: Job, row: CopyRow | undefined, offset: number, answer: Fetched): Promise<void> {
    const key = keyOf(job);
    try {
      if (answer.error) throw answer.error;
      const write = this.#writeOf(job, row, offset, answer);
      if (write) await job.shard.copy(write);
      this.#troubles.delete(key);
    } catch (error) {
      await this.#stuck(job, key, error as LandingError, row);
    }
  }

  #writeOf(
    job: Job,
    row: CopyRow | undefined,
    offset: number,
    { batches, nextOffset }: Fetched,
  ): CopyWrite | undefined {
    const { into, from, partition, own, incarnation } = job;
    // A fill says that it is complete, also when there is nothing more.
    if (nextOffset === offset && row?.incarnation === incarnation && !own) return undefined;
    const pieces = own
      ? { batches: batches.map(({ bytes }) => unsealed(bytes)), losses: [] }
      : stampAll(batches, offset, stampOf(job, this.#parts.alias));
    const records = pieces.batches.reduce((sum, { count }) => sum + count, row?.records ?? 0);
    const alias = stampOf(job, this.#parts.alias).alias;
    return {
      ...{ into, from, partition, own, seen: row ?? null, batches: pieces.batches },
      row: { next: nextOffset, incarnation, live: false, records },
      losses: pieces.losses.map((loss) => ({ alias, loss })),
    };
  }

  async #stuck(job: Job, key: string, error: LandingError, row?: CopyRow): Promise<void> {
    const { log, clock } = this.#parts;
    if (error.code === 'moved' || this.#stopped.signal.aborted) return;
    if ((error.code as string) === 'out-of-range' && row) {
      await this.#jumpTheGap(job, row);
      return;
    }
    if (!this.#troubles.has(key)) log.warn({ copy: key, err: error }, 'a copy stands still');
    this.#troubles.set(key, { message: error.message, until: clock.monotonic() + stuckMs });
  }

  /** Retention ran past us: what is gone is told, and the copy goes on. */
  async #jumpTheGap(job: Job, row: CopyRow): Promise<void> {
    const { from, partition, into, own, incarnation } = job;
    const origin = stampOf(job, this.#parts.alias);
    const [start] = await this.#parts.kafka.admin.offsets([{ topic: from, partition }], 'earliest');
    const gone = Math.max(0, start! - row.next);
    await job.shard.copy({
      ...{ into, from, partition, own, seen: row, batches: [] },
      row: { ...row, next: start!, incarnation },
      losses:
        gone === 0
          ? []
          : [
              {
                alias: origin.alias,
                loss: {
                  ...{ epoch: incarnation, topic: origin.topic, partition, first: row.next },
                  ...{ partitionCount: job.partitions, span: 1, records: gone, scope: 'source' },
                  ...{ bytes: 0, from: null, to: null, reason: 'source-gap' },
                  detail: `${from} kept offsets from ${start} on only, before they were copied`,
                },
              },
            ],
    });
  }
}

const keyOf = ({ into, from, partition }: Job): string => copyKey(into, from, partition);

function stampAll(batches: Fetched['batches'], offset: number, origin: Origin) {
  const pieces = batches.map(({ bytes }) => stamp(bytes, offset, origin));
  return {
    batches: pieces.flatMap((piece) => piece.batches),
    losses: pieces.flatMap((piece) => piece.losses),
  };
}

function stampOf({ from, partition, partitions, incarnation }: Job, alias: string): Origin {
  return { ...originOf(from, alias), epoch: incarnation, partition, partitions };
}
