import { type StreamId, streamKey, type Verdict } from '#shared/wire/link.ts';
import type { LandingError, RefusedAt, SegmentWrite } from '../landing/landing.ts';
import type { Judged } from './judge.ts';

/** Streams of a request that cannot land just now, by `streamKey`, and why. */
export type Held = ReadonlyMap<string, string>;

/**
 * Where the log refuses a topic, the streams of the request that would have landed in it; none
 * where the refusal is about something else. `error`: what a lane's commit was rejected with.
 */
export function heldBy(error: unknown, segments: readonly SegmentWrite[]): Held {
  const cause = (error as Error | undefined)?.cause as LandingError | undefined;
  const held = new Map<string, string>();
  if (cause?.name !== 'LandingError' || cause.code !== 'refused' || !cause.at) return held;
  for (const segment of segments) {
    if (landsAt(segment, cause.at)) held.set(streamKey(segment), cause.message);
  }
  return held;
}

const landsAt = ({ remoteTopic, mergedTopics, partition }: SegmentWrite, at: RefusedAt): boolean =>
  (remoteTopic === at.topic || mergedTopics.includes(at.topic)) &&
  (at.partition === undefined || at.partition === partition);

/** What is left of a request; a loss of a held stream would leave a hole. */
export function withoutHeld(judged: Judged, held: Held): Judged {
  const isFree = (stream: StreamId) => !held.has(streamKey(stream));
  const { segments, losses } = judged;
  return { ...judged, segments: segments.filter(isFree), losses: losses.filter(isFree) };
}

/** Of a stream that is held only what rests on nothing of this request stands. */
export function heldVerdict(verdict: Verdict, message: string | undefined): Verdict {
  const stands = verdict.verdict === 'duplicate' || verdict.verdict === 'refused';
  return message === undefined || stands ? verdict : { verdict: 'held', message };
}
