import type { FetchPosition, Kafka, TopicPartition } from '#shared/kafka/kafka.ts';
import { openRecords } from '#shared/kafka/open-records.ts';
import type { IndexEntry } from '../landing/landing.ts';
import { type ChunkToRead, PartitionIndex, type PartitionIndexLimits } from './partition-index.ts';
import { stuckAt } from './read-whole.ts';
import { runsAround, type SourceIndex, type SourcePosition } from './translate.ts';

export interface SourcePartition {
  alias: string;
  topic: string;
  partition: number;
}

export interface ShardIndexParts {
  kafka: Pick<Kafka, 'admin' | 'reads'>;
  /** Where the shard's entries are. */
  at: TopicPartition;
  /** What the value of a record says. */
  readEntry: (value: Buffer) => IndexEntry;
  /** Told of each entry once, in their order. */
  landed: (entry: IndexEntry) => void;
  /** Runs and chunks remembered over all source partitions of the shard. Default 100 000. */
  itemsMax?: number;
}

const itemsMaxDefault = 100_000;
const fetchMs = 500;
/** To the end; and of a chunk, of which mostly little is wanted. */
const fetchBytes = 4 * 1024 * 1024;
const chunkFetchBytes = 256 * 1024;
/** Rounds in a row that brought nothing: a transaction is open there, or there is no leader. */
const idleRoundsMax = 20;

/**
 * Where the segments of one shard's sites landed, as `tributary.index` tells: read from Kafka as far
 * as it goes each time that somebody asks, and remembered in bounded memory (partition-index.ts).
 * Older entries are read again at need. Only segments whose source has positions are kept.
 */
export class ShardIndex {
  readonly #parts: ShardIndexParts;
  readonly #partitions = new Map<string, PartitionIndex>();
  /** Next to read; undefined: nothing was read yet. */
  #next: number | undefined;
  /** Before it the log holds nothing (any more). */
  #start = 0;
  #complete = false;
  #limits: PartitionIndexLimits = { tailRuns: 512, chunks: 64 };
  #reading: Promise<void> | undefined;

  constructor(parts: ShardIndexParts) {
    this.#parts = parts;
  }

  /** All that was committed when it was called is read. Rejects with a KafkaError. */
  async catchUp(): Promise<void> {
    // One that is under way may have begun before what is asked for was committed.
    await this.#reading?.catch(() => {});
    this.#reading ??= this.#readToEnd().finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
  }

  /** The index that this position translates with, as of the last `catchUp`. */
  async around(of: SourcePartition, position: SourcePosition): Promise<SourceIndex | undefined> {
    const index = this.#partitions.get(keyOf(of));
    if (!index) return undefined;
    const found = index.around(position);
    if ('segments' in found) return found.segments.length > 0 ? found : undefined;
    return this.#readChunk(of, position, index, found);
  }

  /** For tests and metrics: what it takes. */
  get size(): { partitions: number; items: number } {
    let items = 0;
    for (const { size } of this.#partitions.values()) items += size.runs + size.chunks;
    return { partitions: this.#partitions.size, items };
  }

  async #readToEnd(): Promise<void> {
    const { at, kafka } = this.#parts;
    if (this.#next === undefined) {
      const [start] = await kafka.admin.offsets([at], 'earliest');
      this.#next = start!;
      this.#start = start!;
      this.#complete = start === 0;
    }
    // What is in a transaction counts: a commit is answered before its markers stand in the log.
    const [end] = await kafka.admin.offsets([at], 'latest', 'uncommitted');
    const add = (entry: IndexEntry, offset: number) => this.#add(entry, offset);
    await this.#read({ from: this.#next, end: end!, maxBytes: fetchBytes }, add, (next) => {
      this.#next = next;
    });
  }

  async #read(
    { from, end, maxBytes }: { from: number; end: number; maxBytes: number },
    take: (entry: IndexEntry, offset: number) => void,
    passed: (next: number) => void = () => {},
  ): Promise<void> {
    const { at, kafka, readEntry } = this.#parts;
    for (let next = from, idle = 0; next < end; passed(next)) {
      const position: FetchPosition = { ...at, offset: next, maxBytes };
      const [answer] = await kafka.reads.fetch([position], {
        ...{ maxWaitMs: fetchMs, maxBytes, isolation: 'committed' },
      });
      const { error, batches, nextOffset, logStartOffset } = answer!;
      if (error?.code === 'out-of-range') {
        next = await this.#afterDeletion(next);
        continue;
      }
      if (error) throw error;
      this.#deletedBefore(logStartOffset);
      idle = nextOffset > next ? 0 : idle + 1;
      if (idle > idleRoundsMax) throw stuckAt(position);
      for (const { bytes } of batches) {
        for (const record of openRecords(bytes, { trusted: true })) {
          const isNew = record.offset >= next && record.offset < end;
          if (isNew && record.value) take(readEntry(record.value), record.offset);
        }
      }
      next = nextOffset;
    }
  }

  async #afterDeletion(next: number): Promise<number> {
    const { at, kafka } = this.#parts;
    const [start] = await kafka.admin.offsets([at], 'earliest');
    this.#deletedBefore(start!);
    return Math.max(next + 1, start!);
  }

  #add(entry: IndexEntry, offset: number): void {
    if (entry.runs.length === 0) return;
    let index = this.#partitions.get(keyOf(entry));
    if (!index) {
      index = new PartitionIndex({ complete: this.#complete, limits: this.#limits });
      this.#partitions.set(keyOf(entry), index);
      this.#share();
    }
    index.add(entry, offset);
    this.#parts.landed(entry);
  }

  /** Many partitions remember less each. */
  #share(): void {
    const share = (this.#parts.itemsMax ?? itemsMaxDefault) / this.#partitions.size;
    while (this.#limits.tailRuns + this.#limits.chunks > share && this.#limits.chunks > 4) {
      const { tailRuns, chunks } = this.#limits;
      this.#limits = { tailRuns: Math.ceil(tailRuns / 2), chunks: Math.ceil(chunks / 2) };
      for (const one of this.#partitions.values()) one.limit(this.#limits);
    }
  }

  #deletedBefore(offset: number): void {
    if (offset <= this.#start) return;
    this.#start = offset;
    this.#complete = false;
    for (const one of this.#partitions.values()) one.forgetBefore(offset);
  }

  async #readChunk(
    of: SourcePartition,
    position: SourcePosition,
    index: PartitionIndex,
    chunk: ChunkToRead,
  ): Promise<SourceIndex | undefined> {
    const segments: IndexEntry[] = [];
    const key = keyOf(of);
    const range = { from: chunk.from, end: chunk.to + 1, maxBytes: chunkFetchBytes };
    await this.#read(range, (entry) => {
      if (entry.runs.length === 0 || keyOf(entry) !== key) return;
      segments.push({ ...entry, runs: runsAround(entry.runs, position) });
    });
    const found = chunk.with(segments);
    // Part of it may have been deleted meanwhile.
    const whole = index.complete ? found : { ...found, first: undefined };
    return whole.segments.length > 0 ? whole : undefined;
  }
}

const keyOf = ({ alias, topic, partition }: SourcePartition): string =>
  `${alias}/${topic}/${partition}`;
