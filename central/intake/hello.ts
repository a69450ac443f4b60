import { type Hello, type HelloStream, type StreamId, streamKey } from '#shared/wire/link.ts';
import { addRun, type EpochLine, type Lineage, lineOf, localKey, runOf } from './lineage.ts';
import { ancestors, isKnown, type Place, placeOf } from './place.ts';
import { SourcePlaces } from './source-places.ts';

/**
 * Whether a buffer may go on where it says it is (DESIGN §5). What has to hold afterwards:
 *
 *   a record that never landed is never dropped as a duplicate, and none lands twice.
 *
 * A sequence names a record only within one buffer's history, and copies of a buffer (a restored
 * backup, a cloned disk) give the same sequences to different records. Central cannot see the
 * records of the past, but it can see relations: each run (session) names the run it continues
 * (`previous`) and how far the records go that it inherited (`confirmed`). Two copies hold the same
 * records exactly up to the point where they part, which is the lower of the two places where the
 * first run that is not common to both begins (lineage.ts). So:
 *
 * 1. What landed under an epoch must be a prefix of one buffer's history. Its owner and the owner's
 *    ancestors are the only runs that landed anything. A run may go on if no run that it does not
 *    descend from landed anything since they parted, and if no more has landed than it shares.
 * 2. Any other run forks: what it shares with the owner stays in the old epoch, where the
 *    checkpoint judges it rightly (same sequence, same record, whoever lands it first), and all
 *    above moves to an epoch that is its own.
 * 3. Where the relation is not known (central was rolled back, or forgot), the run may go on if all
 *    that landed is behind its cursors: then nothing it still holds can be taken for something
 *    else. Otherwise all that it still holds moves: a record may then land twice, but none is lost.
 *
 * 4. A run whose epoch is not the last one that was opened (a new buffer on a new gateway, too) may
 *    read from its sources what another has landed since: it forks, to be told how far they have
 *    landed (source-places.ts). What it has of that goes, and it reads on behind it.
 *
 * An answer that was lost is no special case: a run that was let in and landed nothing stands in
 * nobody's way, and the same run may say hello again at any time, also after a copy fenced it.
 */
export type HelloDecision =
  | { outcome: 'accepted'; lineage: Lineage; holes: Hole[]; changed: boolean }
  | { outcome: 'fork'; scope: 'unconfirmed' | 'all'; keep: Kept[]; reason: string }
  | { outcome: 'adopt-needed'; holes: Hole[]; reason: string }
  | { outcome: 'refused'; reason: string };

export type Hole = StreamId & { first: number; span: number };
export type Kept = StreamId & { through: number };

export interface HelloState {
  epoch: string;
  session: string;
  adoptAllowed: boolean;
  /** `used` of the current session is up to date. */
  lineage: Lineage;
  /** By `streamKey`; -1 when none. */
  throughOf(stream: StreamId): number;
  /** Streams of the epoch that have a checkpoint. */
  streamsOf(epoch: string): StreamId[];
  sources: SourcePlaces;
}

/** Nothing that is passed in is changed. */
export function decideHello(known: HelloState, hello: Hello): HelloDecision {
  if (cameElsewhere(known.lineage, hello)) {
    // Requests of the old epoch that are still under way would pass as the new session's.
    return { outcome: 'refused', reason: 'a new epoch needs a new session' };
  }
  const fork = forkNeeded(known, hello);
  if (fork) return { outcome: 'fork', ...fork };
  const holes = holesOf(known, hello);
  if (holes.length > 0 && !known.adoptAllowed) {
    return { outcome: 'adopt-needed', holes, reason: holeReason(holes, hello.alias) };
  }
  if (holes.length === 0 && mustBeTold(known.sources, hello)) {
    return { outcome: 'fork', scope: 'all', keep: staysOf(known, hello), reason: sourcesReason };
  }
  const lineage = withOwner(known, hello);
  const same = known.epoch === hello.epoch && known.session === hello.session;
  const changed = !same || lineage !== known.lineage || holes.length > 0;
  return { outcome: 'accepted', lineage, holes, changed };
}

const cameElsewhere = ({ epochs }: Lineage, { epoch, session }: Hello): boolean =>
  epochs.some((line) => line.epoch !== epoch && runOf(line, session)?.came);

/** Of an alias that never said hello. */
export const noState: HelloState = {
  epoch: '',
  session: '',
  adoptAllowed: false,
  lineage: { epochs: [] },
  throughOf: () => -1,
  streamsOf: () => [],
  sources: new SourcePlaces({ epochs: [] }, []),
};

/** It would read from its sources what is here. Once told, nothing more has landed since. */
const mustBeTold = (sources: SourcePlaces, { epoch, sourcesAt }: Hello): boolean =>
  sourcesAt !== undefined && sourcesAt !== sources.at && sources.hasNewer(epoch);

/** Of a run that might go on where it is: what it shares, as in any fork. */
function staysOf(state: HelloState, hello: Hello): Kept[] {
  const staying = [...byEpoch(hello)].flatMap(([epoch, streams]) => {
    const line = lineOf(state.lineage, epoch);
    const place = line && placeOf(line, hello);
    return streams.map((stream) => {
      const shared = Math.max(place?.shared(stream) ?? -1, landedOf(state, stream));
      return { ...stream, through: staysThrough(state, hello, stream, shared) };
    });
  });
  return keptOf(staying);
}

/** What has landed of what the stream holds, if only the answer was lost. */
const landedOf = (state: HelloState, stream: HelloStream): number =>
  Math.min(stream.head, state.throughOf(stream));

/**
 * What copies share stays in its epoch, for whichever of them lands it first. But where another
 * epoch has landed records of the same source, these may be among them, under other names: then
 * only what has landed stays, and the buffer drops of the rest what the places say.
 */
const staysThrough = (
  state: HelloState,
  { sourcesAt }: Hello,
  stream: HelloStream,
  shared: number,
): number =>
  sourcesAt !== undefined && state.sources.hasOther(stream)
    ? Math.min(shared, landedOf(state, stream))
    : Math.min(shared, stream.head);

const sourcesReason =
  'another buffer of this site has landed what its sources still hold: this one goes on behind it';

type Fork = Omit<Extract<HelloDecision, { outcome: 'fork' }>, 'outcome'>;

function forkNeeded(state: HelloState, hello: Hello): Fork | undefined {
  const keep = new Map<string, number>();
  let fork: { reason: string; returns: boolean } | undefined;
  for (const [epoch, streams] of byEpoch(hello)) {
    const current = epoch === hello.epoch;
    const line = lineOf(state.lineage, epoch);
    const place = line && placeOf(line, hello);
    if (!place) {
      if (current && !behindCursors(state, epoch, streams)) return moveAll(unknownReason);
      continue;
    }
    const reason = current
      ? clash(state, epoch, streams, place)
      : leftoverClash(state, streams, place);
    if (reason === memoryReason) return moveAll(reason);
    if (reason === undefined) continue;
    fork = { reason, returns: place.returns };
    for (const stream of streams) keep.set(streamKey(stream), place.shared(stream));
  }
  return fork && forkAbove(state, hello, keep, fork);
}

function byEpoch(hello: Hello): Map<string, HelloStream[]> {
  const epochs = new Map<string, HelloStream[]>([[hello.epoch, []]]);
  for (const stream of hello.streams) {
    const streams = epochs.get(stream.epoch);
    if (streams) streams.push(stream);
    else epochs.set(stream.epoch, [stream]);
  }
  return epochs;
}

const moveAll = (reason: string): Fork => ({ scope: 'all', keep: [], reason });

const unknownReason =
  'central does not know the session that this buffer continues, and has records of its epoch ' +
  'that the buffer still holds: it is a copy, or central was restored';
const memoryReason =
  'central has landed more than this running agent ever appended: its machine was put back in time';

/** 3. above: nothing that it still holds can be taken for something else. */
function behindCursors(state: HelloState, epoch: string, streams: readonly HelloStream[]): boolean {
  const cursors = new Map(streams.map((stream) => [streamKey(stream), stream.cursor]));
  return state
    .streamsOf(epoch)
    .every((stream) => state.throughOf(stream) <= (cursors.get(streamKey(stream)) ?? -1));
}

/** Why the run cannot go on in its epoch; undefined when it can. */
function clash(
  state: HelloState,
  epoch: string,
  streams: readonly HelloStream[],
  place: Place,
): string | undefined {
  if (place.passed) return 'another copy of this buffer has gone on since the two parted';
  const named = new Set(streams.map(streamKey));
  const unnamed = state.streamsOf(epoch).filter((stream) => !named.has(streamKey(stream)));
  const more =
    unnamed.some((stream) => state.throughOf(stream) >= 0) ||
    streams.some((stream) => state.throughOf(stream) > place.ownStart(stream));
  if (!more) return undefined;
  if (place.ancestor) return memoryReason;
  return 'central has landed more than this buffer holds: it is older than what it continues';
}

/**
 * The same for what is left of an older epoch: nothing is added there, so only what it holds
 * counts.
 */
function leftoverClash(
  state: HelloState,
  streams: readonly HelloStream[],
  place: Place,
): string | undefined {
  const clashes = streams.some(
    (stream) =>
      stream.head > place.shared(stream) &&
      (place.passed || state.throughOf(stream) > place.ownStart(stream)),
  );
  return clashes ? 'another copy of this buffer went on in an epoch that it left' : undefined;
}

/**
 * 'unconfirmed' where it says the same: it needs no list. A run that was let in has nothing
 * unconfirmed.
 */
function forkAbove(
  state: HelloState,
  hello: Hello,
  keep: ReadonlyMap<string, number>,
  { reason, returns }: { reason: string; returns: boolean },
): Fork {
  const staying = hello.streams.map((stream) => ({
    ...stream,
    through: staysThrough(state, hello, stream, keep.get(streamKey(stream)) ?? stream.head),
  }));
  const plain = staying.every(
    ({ through, head, confirmed }) => through === Math.min(head, confirmed),
  );
  if (plain && !returns) return { scope: 'unconfirmed', keep: [], reason };
  return { scope: 'all', keep: keptOf(staying), reason };
}

const keptOf = (staying: readonly (HelloStream & { through: number })[]): Kept[] =>
  staying
    .filter(({ through, cursor }) => through > cursor)
    .map(({ epoch, topic, partition, through }) => ({ epoch, topic, partition, through }));

/** What the edge dropped because some central had it, and this one has not. */
function holesOf(state: HelloState, hello: Hello): Hole[] {
  return hello.streams.flatMap((stream) => {
    const through = state.throughOf(stream);
    if (through >= stream.cursor) return [];
    const { epoch, topic, partition, cursor } = stream;
    return [{ epoch, topic, partition, first: through + 1, span: cursor - through }];
  });
}

function holeReason(holes: readonly Hole[], alias: string): string {
  const records = holes.reduce((sum, { span }) => sum + span, 0);
  return (
    `another central, or this one before it was restored, took ${records} records in ` +
    `${holes.length} streams that are not here; ` +
    `"tributary-central edges adopt ${alias}" declares them lost here and lets the site go on`
  );
}

/** The lineage with this run as the owner of its epoch; the same object when nothing changes. */
function withOwner(state: HelloState, hello: Hello): Lineage {
  const { epoch, session, previous } = hello;
  const line = lineOf(state.lineage, epoch);
  const others = state.lineage.epochs.filter((other) => other !== line);
  if (line?.owner === session) {
    const isLast = state.lineage.epochs.at(-1) === line;
    return isLast ? state.lineage : { epochs: [...others, line] };
  }
  const known = line && placeOf(line, hello) ? line : undefined;
  const next: EpochLine = known
    ? { ...known, owner: session, runs: known.runs.map((run) => ({ ...run })) }
    : { epoch, root: previous, owner: session, runs: [] };
  addFamily(next, hello);
  const own = runOf(next, session);
  if (own) own.came = true;
  // Who landed what is there already was forgotten: it counts as landed by this run.
  const landed = state.streamsOf(epoch).some((stream) => state.throughOf(stream) >= 0);
  if (!known && landed) for (const run of next.runs) run.used = true;
  return { epochs: [...others, next] };
}

/** Adds what the line does not know yet of the run and of what it continues. */
function addFamily(line: EpochLine, hello: Hello): void {
  const streams = hello.streams.filter((stream) => stream.epoch === line.epoch);
  const family = ancestors(hello);
  const known = family.findLastIndex(({ session }) => isKnown(line, session));
  for (let i = known + 1; i < family.length; i++) {
    const [parent, { session }] = [family[i - 1]!, family[i]!];
    const starts = new Map(streams.map((stream) => [localKey(stream), parent.end(stream)]));
    addRun(line, session!, parent.session === line.root ? null : parent.session, starts);
  }
}
