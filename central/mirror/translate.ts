import type { SourceRun } from '#shared/wire/frame.ts';

/**
 * Offset translation: from a position in a source partition to the same position in what landed of
 * it. Positions are Kafka's: the next record to read. What is exact here MirrorMaker 2 must guess,
 * since it knows single points of the mapping where we know all of its runs.
 *
 *   source   0 1 2 3 · · 6 7 · 9        · never became a record: compacted, a transaction's marker
 *   central        4 5 6 7 m 9 10 m 12  m another transaction's marker, or another site's record
 *
 * A position translates to right behind the last landed record that stands before it at the source:
 * 2 → 6, and 4, 5 and 6 → 8. So it does not change when more lands behind it.
 */

/** Where one segment landed. The landing's index entry is one. */
export interface LandedSegment {
  first: number;
  count: number;
  /** Where its first record is; the others follow without a hole. */
  remote: TopicOffset;
  merged: readonly TopicOffset[];
  /** Where its records stood at their source; together they make up the segment, or none. */
  runs: readonly SourceRun[];
}

export interface TopicOffset {
  topic: string;
  offset: number;
}

/** What is known of one source partition of one site. */
export interface SourceIndex {
  /**
   * In the order they landed, all epochs of the buffer. A hole in their sequences is a loss. Ends
   * with what landed last, unless `followed`.
   */
  segments: readonly LandedSegment[];
  /** The first that ever landed of this partition. Left out: it is forgotten, or not known. */
  first?: Pick<LandedSegment, 'remote' | 'merged'> | undefined;
  /** More of this incarnation landed behind `segments`, none of it before the position asked. */
  followed?: boolean;
  /**
   * Every record before this source offset has landed or is declared lost: the site said how far it
   * has read, and all that has arrived. Left out: not known.
   */
  settled?: number;
}

export interface SourcePosition {
  /** Next record to read. */
  offset: number;
  incarnation: string;
}

/**
 * `exact`: of what landed or will, all that is before the position is before the place, and all
 * behind it is behind. Otherwise why not: `ahead`: records before the position have yet to land; a
 * reader at this place reads them once more. `before`: records behind the position may have landed
 * before our index begins (somebody else's, or forgotten with their retention); a reader at this
 * place misses them.
 */
export type Exactness = 'exact' | 'ahead' | 'before';

export interface Place extends TopicOffset {
  exactness: Exactness;
}

export interface Translation {
  remote: Place;
  /** One for each merged topic that anything of the partition landed in. */
  merged: Place[];
}

/** undefined when nothing of the source partition has landed yet. */
export function translate(index: SourceIndex, position: SourcePosition): Translation | undefined {
  const newest = index.segments.at(-1);
  if (!newest) return undefined;
  const remote = newest.remote.topic;
  const merged = new Set(index.segments.flatMap((one) => one.merged.map(({ topic }) => topic)));
  return {
    remote: placeIn(remote, index, position),
    merged: [...merged].map((topic) => placeIn(topic, index, position)),
  };
}

/** A run of records in one topic at central. */
interface TopicRun {
  source: number;
  count: number;
  offset: number;
}

function placeIn(topic: string, index: SourceIndex, position: SourcePosition): Place {
  const { offset: wanted, incarnation } = position;
  let later: TopicRun | undefined;
  let end: number | undefined;
  for (const segment of newestFirst(index.segments)) {
    const base = baseIn(topic, segment);
    if (base === undefined) continue;
    end ??= base + segment.count;
    for (const run of newestFirst(segment.runs)) {
      if (run.incarnation !== incarnation) continue;
      const offset = base + (run.sequence - segment.first);
      const here: TopicRun = { source: run.sourceOffset, count: run.count, offset };
      if (run.sourceOffset < wanted) return behind(topic, here, later, index, wanted);
      later = here;
    }
  }
  return later ? before(topic, later, index, wanted) : without(topic, end ?? 0, index, wanted);
}

/** `run` has the last landed record before the position. */
function behind(
  topic: string,
  run: TopicRun,
  later: TopicRun | undefined,
  index: SourceIndex,
  wanted: number,
): Place {
  const taken = Math.min(wanted - run.source, run.count);
  const within = run.source + run.count >= wanted;
  const known = within || later !== undefined || index.followed || isSettled(index, wanted);
  return { topic, offset: run.offset + taken, exactness: known ? 'exact' : 'ahead' };
}

/** The position is at or before the first record that we know of, `first`. */
function before(topic: string, first: TopicRun, index: SourceIndex, wanted: number): Place {
  const oldest = index.first;
  const nothingElse = oldest?.remote.offset === 0 && baseIn(topic, oldest) !== undefined;
  const exact = first.source === wanted || nothingElse;
  return { topic, offset: first.offset, exactness: exact ? 'exact' : 'before' };
}

/** Nothing of this incarnation is there; what comes of it lands at `end` or behind. */
function without(topic: string, end: number, index: SourceIndex, wanted: number): Place {
  const nothingMissing = wanted === 0 || isSettled(index, wanted);
  return { topic, offset: end, exactness: nothingMissing ? 'exact' : 'ahead' };
}

/** The runs that a translation of this position looks at: two of however many. */
export function runsAround(
  runs: readonly SourceRun[],
  { offset, incarnation }: SourcePosition,
): SourceRun[] {
  const mine = runs.filter((run) => run.incarnation === incarnation);
  const below = mine.findLastIndex(({ sourceOffset }) => sourceOffset < offset);
  return mine.slice(Math.max(0, below), below + 2);
}

const isSettled = ({ settled }: SourceIndex, wanted: number): boolean =>
  settled !== undefined && wanted <= settled;

const baseIn = (
  topic: string,
  { remote, merged }: Pick<LandedSegment, 'remote' | 'merged'>,
): number | undefined =>
  remote.topic === topic ? remote.offset : merged.find((place) => place.topic === topic)?.offset;

function* newestFirst<T>(items: readonly T[]): Generator<T> {
  for (let i = items.length - 1; i >= 0; i--) yield items[i]!;
}
