import type { LandedSegment, SourceIndex, SourcePosition, TopicOffset, Turn } from './translate.ts';

/**
 * What is remembered of where one source partition landed, in bounded memory however much did: the
 * newest segments whole, older ones as chunks, of which only is known where they stand in the
 * landing's index and which source offsets begin in them.
 *
 *   chunks  [ 0 … 8 191 ] [ 8 192 … 12 287 ] [ 12 288 … 14 335 ]   tail  | | | | | | | |
 *
 * A position in the tail is translated at once; for an older one, one chunk is read again.
 */
export interface Chunk {
  /** Where it stands in the landing's index, both inclusive. */
  from: number;
  to: number;
  segments: number;
  /** By incarnation: the lowest source offset in it. */
  lowest: Map<string, number>;
}

/** What has to be read of the landing's index before a position can be translated. */
export interface ChunkToRead {
  from: number;
  to: number;
  /** Makes the index of the segments read, in their order. */
  with(segments: readonly LandedSegment[]): SourceIndex;
}

export interface PartitionIndexLimits {
  /** Runs in the tail (a segment has one at least); when there are more, half become a chunk. */
  tailRuns: number;
  /** Chunks; the two smallest neighbours become one when there are more. */
  chunks: number;
}

const defaultLimits: PartitionIndexLimits = { tailRuns: 512, chunks: 64 };

interface Entry {
  at: number;
  segment: LandedSegment;
}

export class PartitionIndex {
  #limits: PartitionIndexLimits;
  /** The landing's index begins with the first that is added: nothing was forgotten. */
  #complete: boolean;
  #first: Pick<LandedSegment, 'remote' | 'merged'> | undefined;
  #chunks: Chunk[] = [];
  /** One for each change of naming: a handful in a life. */
  readonly #turns: Turn[] = [];
  readonly #mergedTopics = new Set<string>();
  #remoteEnd: TopicOffset | undefined;
  #tail: Entry[] = [];
  #tailRuns = 0;

  constructor(options: { complete: boolean; limits?: PartitionIndexLimits }) {
    this.#complete = options.complete;
    this.#limits = options.limits ?? defaultLimits;
  }

  /** `at` is where the landing's index has it, growing. */
  add(segment: LandedSegment, at: number): void {
    const before = this.#tail.at(-1)?.at ?? this.#chunks.at(-1)?.to ?? -1;
    if (at <= before) return;
    if (this.#complete) this.#first ??= { remote: segment.remote, merged: segment.merged };
    this.#turn(segment);
    this.#tail.push({ at, segment });
    this.#tailRuns += weight(segment);
    this.#fit();
  }

  #turn({ remote, merged, count }: LandedSegment): void {
    const from = this.#remoteEnd;
    if (from && from.topic !== remote.topic) {
      const isNew = !this.#mergedTopics.has(remote.topic);
      this.#turns.push({ from, to: { ...remote }, isNew });
    }
    this.#remoteEnd = { topic: remote.topic, offset: remote.offset + count };
    for (const { topic } of merged) this.#mergedTopics.add(topic);
  }

  /** From now on it takes no more than this. */
  limit(limits: PartitionIndexLimits): void {
    this.#limits = limits;
    this.#fit();
  }

  /** The landing's index holds nothing before `at` any more. */
  forgetBefore(at: number): void {
    if ((this.#chunks[0]?.from ?? this.#tail[0]?.at ?? at) < at) {
      this.#complete = false;
      this.#first = undefined;
    }
    this.#chunks = this.#chunks.filter(({ to }) => to >= at);
  }

  /** Nothing was forgotten. */
  get complete(): boolean {
    return this.#complete;
  }

  /** For tests and metrics: what it takes. */
  get size(): { runs: number; chunks: number } {
    return { runs: this.#tailRuns, chunks: this.#chunks.length };
  }

  /** The index that `position` is to be translated with, or what must be read for it. */
  around(position: SourcePosition): SourceIndex | ChunkToRead {
    const segments = this.#tail.map(({ segment }) => segment);
    const { incarnation, offset } = position;
    const isBelow = (lowest: number | undefined) => lowest !== undefined && lowest < offset;
    const inMemory = { segments, first: this.#first, turns: this.#turns };
    if (isBelow(lowestOf(segments).get(incarnation))) return inMemory;
    const below = this.#chunks.findLastIndex(({ lowest }) => isBelow(lowest.get(incarnation)));
    const first = this.#chunks.findIndex(({ lowest }) => lowest.has(incarnation));
    const chosen = below >= 0 ? below : first;
    if (chosen < 0) return inMemory;
    return this.#read(chosen, incarnation, segments);
  }

  #read(chosen: number, incarnation: string, tail: readonly LandedSegment[]): ChunkToRead {
    const { from, to } = this.#chunks[chosen]!;
    const between = this.#chunks.slice(chosen + 1);
    return {
      from,
      to,
      with: (segments) => ({
        segments: [...segments, ...tail],
        first: this.#first,
        turns: this.#turns,
        followed: between.some(({ lowest }) => lowest.has(incarnation)),
      }),
    };
  }

  #fit(): void {
    while (this.#tailRuns > this.#limits.tailRuns && this.#tailRuns > 1) this.#fold();
    while (this.#chunks.length > this.#limits.chunks) joinSmallest(this.#chunks);
  }

  /** The older half of the tail becomes a chunk. */
  #fold(): void {
    const folded: Entry[] = [];
    for (const entry of this.#tail) {
      if (this.#tailRuns <= this.#limits.tailRuns / 2) break;
      folded.push(entry);
      this.#tailRuns -= weight(entry.segment);
    }
    this.#tail = this.#tail.slice(folded.length);
    const newest = folded.at(-1)!;
    if (this.#tail.length === 0) {
      // All that the newest is needed for is where it ends.
      this.#tail = [{ at: newest.at, segment: { ...newest.segment, runs: [] } }];
      this.#tailRuns = 1;
    }
    this.#chunks.push({
      from: folded[0]!.at,
      to: newest.at,
      segments: folded.length,
      lowest: lowestOf(folded.map(({ segment }) => segment)),
    });
  }
}

const weight = ({ runs }: LandedSegment): number => Math.max(1, runs.length);

function lowestOf(segments: readonly LandedSegment[]): Map<string, number> {
  const lowest = new Map<string, number>();
  for (const { runs } of segments) {
    for (const { incarnation, sourceOffset } of runs) {
      const known = lowest.get(incarnation) ?? Number.POSITIVE_INFINITY;
      if (sourceOffset < known) lowest.set(incarnation, sourceOffset);
    }
  }
  return lowest;
}

/** So that all grow alike: what one position costs to read is a fixed share of the whole. */
function joinSmallest(chunks: Chunk[]): void {
  let smallest = 0;
  const together = (i: number) => chunks[i]!.segments + chunks[i + 1]!.segments;
  for (let i = 1; i + 1 < chunks.length; i++) if (together(i) < together(smallest)) smallest = i;
  chunks.splice(smallest, 2, join(chunks[smallest]!, chunks[smallest + 1]!));
}

function join(one: Chunk, other: Chunk): Chunk {
  const lowest = new Map(one.lowest);
  for (const [incarnation, source] of other.lowest) {
    lowest.set(incarnation, Math.min(source, lowest.get(incarnation) ?? source));
  }
  return { from: one.from, to: other.to, segments: one.segments + other.segments, lowest };
}
