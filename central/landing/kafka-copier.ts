import type { Fetched, Kafka, TopicInfo } from '#shared/kafka/kafka.ts';
import { Backoff } from '#shared/std/backoff.ts';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import { splitRemoteTopic } from '#shared/wire/topic-name.ts';
import type { CopyRow } from './kafka-rows.ts';
import { type Origin, stamp } from './kafka-stamping.ts';
import type { LandingError } from './landing.ts';
import type { Shard } from './shard.ts';
import { type CopySource, type CopyWrite, planFills, unsealed } from './shard-copies.ts';
import { copyKey } from './shard-state.ts';

/** What flows copy, by the settings. */
export interface CopyFlows {
  /** Flows that take this topic, which others write. */
  externalTargets(topic: string): readonly { into: string; start: 'earliest' | 'latest' }[];
  /** Flows that take all of this remote topic, however old. */
  fillTargets(remoteTopic: string): readonly string[];
  /** Whether there are any; without, nothing is looked for. */
  readonly any: boolean;
}

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
const partitionBytesMax = 1024 * 1024;
const answerBytesMax = 8 * 1024 * 1024;

interface Job extends CopySource {
  shard: Shard;
  /** 32 hexadecimal digits. */
  incarnation: string;
  partitions: number;
  start: 'earliest' | 'latest';
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
  readonly #troubles = new Map<string, string>();
  #jobs: Job[] = [];
  #discoveredAt = Number.NEGATIVE_INFINITY;

  constructor(parts: CopierParts) {
    this.#parts = parts;
    this.#done = parts.flows.any ? this.#run() : Promise.resolve();
  }

  /** Copies that stand still, and why. */
  troubles(): string[] {
    return [...this.#troubles.values()];
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
      } catch (error) {
        if (signal.aborted) return;
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
    for (const { topic, id, internal, partitions } of topics) {
      if (internal || isOurs(topic)) continue;
      for (const { into, start } of flows.externalTargets(topic)) {
        for (const { partition } of partitions) {
          const shard = shards.find((one) => one.id === shardOfCopy(topic, partition));
          if (!shard) continue;
          const source = { into, from: topic, partition, own: false };
          yield { ...source, shard, incarnation: id, partitions: partitions.length, start };
        }
      }
    }
  }

  *#fills(topics: readonly TopicInfo[], shards: readonly Shard[]): Generator<Job> {
    const byName = new Map(topics.map((info) => [info.topic, info]));
    for (const shard of shards) {
      for (const source of planFills(shard.state, this.#parts.flows.fillTargets)) {
        const info = byName.get(source.from);
        if (!info) continue;
        const { id: incarnation, partitions } = info;
        const more = { incarnation, partitions: partitions.length, start: 'earliest' as const };
        yield { ...source, ...more, shard };
      }
    }
  }

  async #round(): Promise<void> {
    const { kafka, clock } = this.#parts;
    const jobs = this.#jobs.filter(({ shard }) => shard.owned);
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
    const key = copyKey(job.into, job.from, job.partition);
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
      : stampAll(batches, offset, originOf(job, this.#parts.alias));
    const records = pieces.batches.reduce((sum, { count }) => sum + count, row?.records ?? 0);
    const alias = originOf(job, this.#parts.alias).alias;
    return {
      ...{ into, from, partition, own, seen: row ?? null, batches: pieces.batches },
      row: { next: nextOffset, incarnation, live: false, records },
      losses: pieces.losses.map((loss) => ({ alias, loss })),
    };
  }

  async #stuck(job: Job, key: string, error: LandingError, row?: CopyRow): Promise<void> {
    const { log } = this.#parts;
    if (error.code === 'moved' || error.code === 'closed') return;
    if ((error.code as string) === 'out-of-range' && row) {
      await this.#jumpTheGap(job, row);
      return;
    }
    if (!this.#troubles.has(key)) log.warn({ copy: key, err: error }, 'a copy stands still');
    this.#troubles.set(key, `${key}: ${error.message}`);
  }

  /** Retention ran past us: what is gone is told, and the copy goes on. */
  async #jumpTheGap(job: Job, row: CopyRow): Promise<void> {
    const { from, partition, into, own, incarnation } = job;
    const origin = originOf(job, this.#parts.alias);
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

function stampAll(batches: Fetched['batches'], offset: number, origin: Origin) {
  const pieces = batches.map(({ bytes }) => stamp(bytes, offset, origin));
  return {
    batches: pieces.flatMap((piece) => piece.batches),
    losses: pieces.flatMap((piece) => piece.losses),
  };
}

/** `plant-b.orders` comes from plant-b; a topic without a prefix from this cluster. */
function originOf({ from, partition, partitions, incarnation }: Job, alias: string): Origin {
  const parts = splitRemoteTopic(from) ?? { alias, topic: from };
  return { ...parts, epoch: incarnation, partition, partitions };
}
