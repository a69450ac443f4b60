import type { Kafka } from '#shared/kafka/kafka.ts';
import type { Clock } from '#shared/std/clock.ts';
import { EndMarks } from './end-marks.ts';
import {
  type CopyFlows,
  externalSources,
  type FoundSource,
  fillSources,
  originOf,
} from './kafka-copy-sources.ts';
import type { CopyRow } from './kafka-rows.ts';
import type { CopyView } from './landing.ts';
import { remoteEnd } from './shard-copies.ts';
import { copyKey, type ShardState } from './shard-state.ts';

export interface CopyWatchParts {
  kafka: Kafka;
  clock: Clock;
  flows: CopyFlows;
  /** Central's own alias. */
  alias: string;
  /** Of all shards, whoever owns them. */
  states: readonly ShardState[];
  shardOfCopy: (topic: string, partition: number) => number;
  isOurs: (topic: string) => boolean;
  /** Why a copy stands still, where this collector makes it. */
  troubleOf: (key: string) => string | undefined;
}

const lookMs = 5_000;

interface Watched {
  source: FoundSource;
  state: ShardState;
  marks: EndMarks;
  /** As Kafka or the shard had it last; undefined: not asked yet. */
  end: number | undefined;
  next: number;
  movedAt: number;
}

/**
 * How far every copy of the cluster has come, and how far it is behind: on each collector, whoever
 * makes the copy. Only looks; where Kafka does not answer, what is known grows old, and shows it.
 */
export class CopyWatch {
  readonly #parts: CopyWatchParts;
  readonly #stopped = new AbortController();
  readonly #done: Promise<void>;
  #watched = new Map<string, Watched>();

  constructor(parts: CopyWatchParts) {
    this.#parts = parts;
    this.#done = parts.flows.any ? this.#run() : Promise.resolve();
  }

  async close(): Promise<void> {
    this.#stopped.abort();
    await this.#done;
  }

  /** Over all partitions of each source; a remote topic of ours while its past is not all in. */
  views(): CopyView[] {
    const views = new Map<string, CopyView>();
    for (const [key, watched] of this.#watched) {
      const { into, from } = watched.source;
      const view = this.#view(key, watched);
      if (!view) continue;
      const known = views.get(`${into}/${from}`);
      views.set(`${into}/${from}`, known ? joined(known, view) : view);
    }
    return [...views.values()];
  }

  #view(key: string, watched: Watched): CopyView | undefined {
    const { source, end, marks } = watched;
    const row = this.#rowOf(watched);
    if (row?.live) return undefined;
    const next = row?.next ?? 0;
    if (next !== watched.next) {
      watched.next = next;
      watched.movedAt = this.#parts.clock.monotonic();
    }
    return {
      ...{ into: source.into, from: source.from, own: source.own },
      ...originOf(source.from, this.#parts.alias),
      records: row?.records ?? 0,
      behind: (row || source.own) && end !== undefined ? Math.max(0, end - next) : null,
      completeAt: row && !source.own ? marks.completeAt(next) : null,
      movedAt: watched.movedAt,
      trouble: this.#parts.troubleOf(key) ?? null,
    };
  }

  /** Of another life of the topic it says nothing about this one. */
  #rowOf({ source, state }: Watched): CopyRow | undefined {
    const row = state.copies.get(copyKey(source.into, source.from, source.partition));
    return row?.incarnation === source.incarnation ? row : undefined;
  }

  async #run(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await this.#look().catch(() => {});
      await clock.sleep(lookMs, signal).catch(() => {});
    }
  }

  async #look(): Promise<void> {
    const { kafka, clock } = this.#parts;
    await this.#find();
    const external = [...this.#watched.values()].filter(({ source }) => !source.own);
    const at = clock.monotonic();
    const ends = await kafka.admin.offsets(
      external.map(({ source }) => ({ topic: source.from, partition: source.partition })),
      'latest',
      'committed',
    );
    for (const [i, watched] of external.entries()) {
      watched.end = ends[i]!;
      watched.marks.seen(ends[i]!, at);
    }
  }

  async #find(): Promise<void> {
    const { kafka, flows, states, isOurs, shardOfCopy } = this.#parts;
    const topics = await kafka.admin.topics();
    const byName = new Map(topics.map((info) => [info.topic, info]));
    const before = this.#watched;
    this.#watched = new Map();
    for (const source of externalSources(topics, flows, isOurs)) {
      this.#watch(source, states[shardOfCopy(source.from, source.partition)]!, before);
    }
    for (const state of states) {
      for (const source of fillSources(byName, flows, state)) {
        const watched = this.#watch(source, state, before);
        watched.end = remoteEnd(state, source.from, source.partition);
      }
    }
  }

  #watch(source: FoundSource, state: ShardState, before: ReadonlyMap<string, Watched>): Watched {
    const key = copyKey(source.into, source.from, source.partition);
    const known = before.get(key);
    const watched =
      known?.source.incarnation === source.incarnation
        ? known
        : {
            ...{ source, state, marks: new EndMarks(), end: undefined, next: -1 },
            movedAt: this.#parts.clock.monotonic(),
          };
    this.#watched.set(key, watched);
    return watched;
  }
}

/** Of two partitions of a topic: complete where both are, known where both are. */
const joined = (a: CopyView, b: CopyView): CopyView => ({
  ...a,
  records: a.records + b.records,
  behind: a.behind === null || b.behind === null ? null : a.behind + b.behind,
  completeAt:
    a.completeAt === null || b.completeAt === null ? null : Math.min(a.completeAt, b.completeAt),
  movedAt: Math.max(a.movedAt, b.movedAt),
  trouble: a.trouble ?? b.trouble,
});
