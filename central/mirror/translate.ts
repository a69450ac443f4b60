import type { SourceRun } from '#shared/wire/frame.ts';

/**
 * Offset translation: from a position in a source partition to the same position in what landed of
 * it. Positions are Kafka's: the next record to read. What is exact here MirrorMaker 2 must guess,
 * since it knows single points of the mapping where we know all of its runs.
 *
 *   source   0 1 2 3 · · 6 7 · 9        · never became a record: compacted, a transaction's marker
 *   central        4 5 6 7 m 9 10 m 12  m another transaction's marker, or another site's record
 *
 * Where the name at central changed (landing.naming), the same records are never in both topics: a
 * position has a place in each, and whoever goes on at all of them reads everything once.
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

/** From one segment of a partition to the next its remote topic got another name. */
export interface Turn {
  /** Behind the last of its records before. */
  from: TopicOffset;
  /** The first behind. */
  to: TopicOffset;
  /** Nothing of the partition was in that topic as a merged one. */
  isNew: boolean;
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
  /** All that are known, oldest first. */
  turns?: readonly Turn[];
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
  /** One for each topic that was its remote one before, and is none of the others. */
  earlier: Place[];
  /** One for each merged topic that anything of the partition landed in. */
  merged: Place[];
}

/** undefined when nothing of the source partition has landed yet. */
export function translate(index: SourceIndex, position: SourcePosition): Translation | undefined {
  const newest = index.segments.at(-1);
  if (!newest) return undefined;
  const remote = newest.remote.topic;
  const merged = new Set(index.segments.flatMap((one) => one.merged.map(({ topic }) => topic)));
  merged.delete(remote);
  const earlier = new Set((index.turns ?? []).map(({ from }) => from.topic));
  for (const topic of [remote, ...merged]) earlier.delete(topic);
  return {
    remote: remotePlace(remote, index, position),
    earlier: [...earlier].map((topic) => remotePlace(topic, index, position)),
    merged: [...merged].map((topic) => placeIn(topic, index, position)),
  };
}

/** The place in a topic that is the partition's remote one, or was. */
function remotePlace(topic: string, index: SourceIndex, position: SourcePosition): Place {
  const turns = index.turns ?? [];
  if (turns.length === 0) return placeIn(topic, index, position);
  const anchor = anchorOf(index, position);
  if (!anchor) {
    const end = turns.findLast(({ from }) => from.topic === topic)?.from;
    const lastOfAll = index.segments.at(-1)?.remote.topic === topic;
    if (lastOfAll || !end) return placeIn(topic, index, position);
    return { ...end, exactness: index.first ? 'exact' : 'before' };
  }
  if (baseIn(topic, anchor) !== undefined) {
    const place = placeIn(topic, index, position);
    const isLeft = turns.some(({ from }) => from.topic === topic && from.offset >= place.offset);
    // What has yet to land lands elsewhere.
    return place.exactness === 'ahead' && isLeft ? { ...place, exactness: 'exact' } : place;
  }
  const here = placeIn(anchor.remote.topic, index, position);
  const there = acrossTurns(topic, here, turns);
  if (!there) return placeIn(topic, index, position);
  return { ...there, exactness: here.exactness === 'before' ? 'before' : 'exact' };
}

/** Has the last landed record before the position; else the first behind it. */
function anchorOf(
  { segments }: SourceIndex,
  { offset, incarnation }: SourcePosition,
): LandedSegment | undefined {
  const has = ({ runs }: LandedSegment, fits: (source: number) => boolean) =>
    runs.some((run) => run.incarnation === incarnation && fits(run.sourceOffset));
  return (
    segments.findLast((segment) => has(segment, (source) => source < offset)) ??
    segments.find((segment) => has(segment, () => true))
  );
}

/** Where `topic` ended before `here`, or begins behind. */
function acrossTurns(
  topic: string,
  here: TopicOffset,
  turns: readonly Turn[],
): TopicOffset | undefined {
  const found = turns.findIndex(
    ({ from }) => from.topic === here.topic && from.offset >= here.offset,
  );
  const next = found < 0 ? turns.length : found;
  const ended = turns.slice(0, next).findLast(({ from }) => from.topic === topic);
  const begins = turns.slice(next).find(({ to, isNew }) => to.topic === topic && isNew);
  return ended?.from ?? begins?.to;
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
