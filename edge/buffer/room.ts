import type { Database, Statement } from 'better-sqlite3';
import type { BufferOptions } from './buffer.ts';
import {
  bytesByTopic,
  chooseVictim,
  type EvictionRules,
  type Occupant,
  pagesFor,
} from './capacity.ts';
import type { Ledger } from './ledger.ts';
import { type Budget, policyOf, type TopicPolicy } from './options.ts';
import type { SegmentRows } from './segment-rows.ts';
import { headPosition, nextPosition, type Stream, type StreamTable } from './streams.ts';

/** Nothing more may be dropped, and there is not enough room. */
export class NoRoom extends Error {
  override name = 'NoRoom';
}

/** The hard cap: how much is used, and making room by dropping the oldest. */
export class Room implements EvictionRules {
  readonly #streams: StreamTable;
  readonly #segments: SegmentRows;
  readonly #ledger: Ledger;
  readonly #pageCount: Statement;
  readonly #freePages: Statement;
  readonly #pageBytes: number;
  readonly #options: BufferOptions;
  readonly #policies = new Map<string, TopicPolicy>();
  readonly budget: Budget;

  constructor(
    database: Database,
    parts: { streams: StreamTable; segments: SegmentRows; ledger: Ledger },
    options: BufferOptions,
    budget: Budget,
  ) {
    this.#streams = parts.streams;
    this.#segments = parts.segments;
    this.#ledger = parts.ledger;
    this.#options = options;
    this.budget = budget;
    this.#pageCount = database.prepare('PRAGMA page_count').pluck();
    this.#freePages = database.prepare('PRAGMA freelist_count').pluck();
    this.#pageBytes = database.pragma('page_size', { simple: true }) as number;
  }

  policy(topic: string): TopicPolicy {
    let policy = this.#policies.get(topic);
    if (policy === undefined) {
      policy = policyOf(this.#options, topic);
      this.#policies.set(topic, policy);
    }
    return policy;
  }

  drops = (topic: string): boolean => this.policy(topic).drops;
  capOf = (topic: string): number => this.policy(topic).maxBytes;

  get freeBytes(): number {
    return (this.#freePages.get() as number) * this.#pageBytes;
  }

  /** Pages in use, within a transaction too. */
  get usedBytes(): number {
    return (this.#pageCount.get() as number) * this.#pageBytes - this.freeBytes;
  }

  topicBytes(): Map<string, number> {
    return bytesByTopic(this.#occupants());
  }

  /** Makes room for a segment of `topic`; throws NoRoom. */
  make(topic: string, batchBytes: number): void {
    const cap = this.capOf(topic);
    if (cap !== Number.POSITIVE_INFINITY && this.drops(topic)) {
      while ((this.topicBytes().get(topic) ?? 0) + batchBytes > cap && this.#evict(topic));
    }
    while (this.usedBytes + pagesFor(batchBytes) > this.budget.records) {
      if (!this.#evict()) throw new NoRoom('nothing more may be dropped');
    }
  }

  *#occupants(): Generator<Occupant & { stream: Stream }> {
    for (const stream of this.#streams) {
      const { topic, oldest, storedBytes } = stream;
      const inFlight = stream.sentTo >= headPosition(stream);
      yield { topic, oldest, storedBytes, inFlight, stream };
    }
  }

  #evict(onlyTopic?: string): boolean {
    const victim = chooseVictim(this.#occupants(), this, onlyTopic)?.stream;
    if (victim === undefined) return false;
    const start = nextPosition(victim);
    const row =
      this.#rowFrom(victim, Math.max(start, victim.sentTo + 1)) ?? this.#rowFrom(victim, start);
    if (row === undefined) return false;
    const detail = onlyTopic === undefined ? 'buffer.max_bytes reached' : 'topic.max_bytes reached';
    this.#ledger.lose(this.#streams.touch(victim), row, 'evicted', detail);
    return true;
  }

  #rowFrom(stream: Stream, pos: number) {
    const row = this.#segments.from(stream.log, pos);
    return row && row.pos <= headPosition(stream) ? row : undefined;
  }
}
