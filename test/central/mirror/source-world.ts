import fc from 'fast-check';
import type { LandedSegment } from '#central/mirror/translate.ts';

/**
 * A source partition and what landed of it, record by record: so plain that it needs no proof.
 * Offsets at the source have holes; sequences are lost; central's topics hold other things between.
 */
export interface PlainRecord {
  source: number;
  incarnation: string;
  sequence: number;
  /** Position in each topic; undefined: lost, or not landed yet. */
  at: { remote: number; merged: number | undefined } | undefined;
  lost: boolean;
}

export interface SourceWorld {
  records: PlainRecord[];
  segments: LandedSegment[];
  incarnations: string[];
}

export const remoteName = 'a.data';
export const mergedName = 'data';

export interface WorldPlan {
  /** Records, each: hole before it at the source, whether it is lost, the segment ends behind it. */
  records: { hole: number; lost: boolean; cut: boolean; recreated: boolean }[];
  /** How many of the records have arrived at central (landed or lost). */
  arrived: number;
  /** Foreign offsets in front of each segment: remote (markers), merged (markers, other sites). */
  foreign: { remote: number; merged: number }[];
  /** Segments from this one on land in the merged topic too. */
  flowFrom: number;
  /** What stood in the remote topic before us. */
  remoteStart: number;
}

const incarnationOf = (number: number): string => String(number + 1).padStart(32, '0');

export function buildWorld(plan: WorldPlan): SourceWorld {
  const records: PlainRecord[] = [];
  let source = 0;
  let life = 0;
  for (const [sequence, { hole, lost, recreated }] of plan.records.entries()) {
    if (recreated) {
      life += 1;
      source = 0;
    }
    source += hole;
    records.push({ source, incarnation: incarnationOf(life), sequence, at: undefined, lost });
    source += 1;
  }
  const segments: LandedSegment[] = [];
  let remote = plan.remoteStart;
  let merged = 0;
  for (const group of groups(records.slice(0, plan.arrived), plan)) {
    const foreign = plan.foreign[segments.length % plan.foreign.length] ?? { remote: 0, merged: 0 };
    // The very first record has nothing in front of it but what stood there before us.
    remote += segments.length === 0 ? 0 : foreign.remote;
    merged += foreign.merged;
    const inFlow = segments.length >= plan.flowFrom;
    segments.push({
      first: group[0]!.sequence,
      count: group.length,
      remote: { topic: remoteName, offset: remote },
      merged: inFlow ? [{ topic: mergedName, offset: merged }] : [],
      runs: runsOf(group),
    });
    for (const record of group) {
      record.at = { remote: remote++, merged: inFlow ? merged++ : undefined };
    }
  }
  return {
    records,
    segments,
    incarnations: Array.from({ length: life + 1 }, (_, i) => incarnationOf(i)),
  };
}

/** Consecutive records that are not lost, cut where the plan says. */
function groups(records: PlainRecord[], plan: WorldPlan): PlainRecord[][] {
  const all: PlainRecord[][] = [];
  let open: PlainRecord[] = [];
  for (const record of records) {
    if (!record.lost) open.push(record);
    if ((record.lost || plan.records[record.sequence]!.cut) && open.length > 0) {
      all.push(open);
      open = [];
    }
  }
  if (open.length > 0) all.push(open);
  return all;
}

function runsOf(group: PlainRecord[]): LandedSegment['runs'] {
  const runs: { sequence: number; sourceOffset: number; count: number; incarnation: string }[] = [];
  for (const { sequence, source, incarnation } of group) {
    const last = runs.at(-1);
    if (last?.incarnation === incarnation && last.sourceOffset + last.count === source)
      last.count++;
    else runs.push({ sequence, sourceOffset: source, count: 1, incarnation });
  }
  return runs;
}

export const worldPlan: fc.Arbitrary<WorldPlan> = fc
  .record({
    records: fc.array(
      fc.record({
        hole: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat({ max: 3 })),
        lost: fc.nat({ max: 9 }).map((n) => n === 0),
        cut: fc.nat({ max: 3 }).map((n) => n === 0),
        recreated: fc.nat({ max: 29 }).map((n) => n === 0),
      }),
      { maxLength: 40 },
    ),
    part: fc.double({ min: 0, max: 1, noNaN: true }),
    foreign: fc.array(fc.record({ remote: fc.nat({ max: 2 }), merged: fc.nat({ max: 5 }) }), {
      maxLength: 5,
    }),
    flowFrom: fc.oneof(fc.constant(0), fc.nat({ max: 5 })),
    remoteStart: fc.oneof(fc.constant(0), fc.nat({ max: 50 })),
  })
  .map(({ part, ...rest }) => ({ ...rest, arrived: Math.round(part * rest.records.length) }));
