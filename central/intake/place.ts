import type { Hello, HelloStream } from '#shared/wire/link.ts';
import { type EpochLine, localKey, pathTo, runOf, startOf } from './lineage.ts';

/**
 * Where a run stands in an epoch's line. Its path from the root and the owner's are the same up to
 * some run; there the two part (unless one goes on from the other).
 */
export interface Place {
  /** The run is known: it comes back. Otherwise what it continues is known. */
  returns: boolean;
  /** It comes back, and the owner is it or goes on from it. */
  ancestor: boolean;
  /** A run of the owner's path behind the parting landed something. */
  passed: boolean;
  /** Highest sequence of the stream that the run has from before the parting. */
  ownStart(stream: HelloStream): number;
  /**
   * Highest sequence of the stream that both the run and the owner have from before the parting.
   */
  shared(stream: HelloStream): number;
}

/** undefined when neither the run nor anything that it continues is known. */
export function placeOf(line: EpochLine, hello: Hello): Place | undefined {
  const known = newestKnown(line, hello);
  if (!known) return undefined;
  const path = pathTo(line, known.session);
  const ownerPath = pathTo(line, line.owner);
  let common = 0;
  while (common < path.length && path[common] === ownerPath[common]) common += 1;
  const others = ownerPath.slice(common);
  const own = common < path.length ? path.slice(0, common + 1) : undefined;
  const theirs = others.length > 0 ? ownerPath.slice(0, common + 1) : undefined;
  const ownStart = (stream: HelloStream): number =>
    own ? startOf(own, localKey(stream)) : known.end(stream);
  const returns = known.session === hello.session;
  return {
    returns,
    ancestor: returns && !own,
    passed: others.some(({ used }) => used),
    ownStart,
    shared: (stream) =>
      Math.min(ownStart(stream), theirs ? startOf(theirs, localKey(stream)) : stream.head),
  };
}

/** A run of the buffer, and the highest sequence of a stream that was appended in it or before. */
interface Ancestor {
  session: string | null;
  end(stream: HelloStream): number;
}

/** From the one that central confirmed last to the run that says hello. */
export function ancestors(hello: Hello): Ancestor[] {
  const { previous, unconfirmed = [], session } = hello;
  return [
    { session: previous, end: (stream) => stream.confirmed },
    ...unconfirmed.map((run, i) => ({
      session: run,
      end: (stream: HelloStream) => stream.ends?.[i] ?? stream.confirmed,
    })),
    { session, end: (stream) => stream.head },
  ];
}

const newestKnown = (line: EpochLine, hello: Hello): Ancestor | undefined =>
  ancestors(hello).findLast(({ session }) => isKnown(line, session));

/** As a run of the line, or as what its oldest run continued. */
export const isKnown = (line: EpochLine, session: string | null): boolean =>
  session === line.root || runOf(line, session) !== undefined;
