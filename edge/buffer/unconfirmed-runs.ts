import { limits } from '#shared/wire/limits.ts';
import type { Meta } from './meta.ts';
import type { Stream } from './streams.ts';

/**
 * The runs since the last confirmed session (Hello.unconfirmed): central may know one of them
 * although this disk does not know that, since the answer was lost, or since the disk was put back
 * to before.
 */
interface UnconfirmedRun {
  session: string;
  /** By stream id, where the run appended something: the head that it left. */
  heads: [stream: number, head: number][];
}

type Heads = ReadonlyMap<number, number>;

const key = 'unconfirmed_runs';

/**
 * Within the transaction that begins a run: `last` is the session before it, or null when that one
 * was confirmed. Sets the ends of all streams and answers the sessions.
 */
export function noteRuns(meta: Meta, streams: Iterable<Stream>, last: string | null): string[] {
  const all = [...streams];
  const before = last === null ? [] : (JSON.parse(meta.text(key) ?? '[]') as UnconfirmedRun[]);
  const known = headsOf(before);
  const heads = all
    .filter((stream) => stream.head > (endsOf(known, stream).at(-1) ?? stream.confirmed))
    .map(({ id, head }): [number, number] => [id, head]);
  const runs = last === null || heads.length === 0 ? before : [...before, { session: last, heads }];
  const kept = runs.slice(-limits.unconfirmedRuns);
  meta.set(key, JSON.stringify(kept));
  const now = headsOf(kept);
  for (const stream of all) stream.ends = endsOf(now, stream);
  return kept.map(({ session }) => session);
}

const headsOf = (runs: readonly UnconfirmedRun[]): Heads[] =>
  runs.map(({ heads }) => new Map(heads));

/** What moved away in a fork does not count any more. */
function endsOf(runs: readonly Heads[], { id, head, confirmed }: Stream): number[] {
  let end = confirmed;
  return runs.map((heads) => {
    end = Math.max(end, Math.min(heads.get(id) ?? end, head));
    return end;
  });
}
