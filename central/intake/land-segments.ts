import { type Frame, FrameError, readFrames } from '#shared/wire/frame.ts';
import { limits } from '#shared/wire/limits.ts';
import { type SegmentsAnswer, streamKey } from '#shared/wire/link.ts';
import { type Held, heldBy, heldVerdict, withoutHeld } from './hold.ts';
import { Judge, type Judged } from './judge.ts';
import { type Lane, type LaneState, throughOf } from './lane.ts';
import { disabled } from './open-session.ts';
import type { IntakeParts } from './parts.ts';
import { Refusal, sayHello } from './refusal.ts';
import { Turns } from './turns.ts';

export interface SegmentsRequest {
  session: string;
  /** The edge's accept clock, ms; null when it did not say. */
  acceptClock: number | null;
  body: Uint8Array;
  receivedMono: number;
}

/**
 * What is committed of the alias, when `session` is the one that is let in; otherwise throws a
 * Refusal.
 */
export function underSession(
  state: LaneState | undefined,
  alias: string,
  session: string,
): LaneState {
  if (!state) throw sayHello(`"${alias}" never said hello here`);
  if (state.disabled) throw disabled(alias);
  if (state.session === session) return state;
  throw sayHello(`session ${session} of "${alias}" was ended by a newer one`);
}

/**
 * Runs in the alias' turn: decode, judge, one commit, and only then the answer. Where the log takes
 * all but some topics, or some have no place here, those are held: the site keeps them, and the
 * others land.
 */
export async function landSegments(
  parts: IntakeParts,
  lane: Lane,
  request: SegmentsRequest,
): Promise<SegmentsAnswer> {
  const state = underSession(await lane.state(), lane.alias, request.session);
  const turns = new Turns();
  const frames = await decode(request.body, turns);
  const judged = await new Judge(lane.alias, state, { ...parts, turns }).judge(frames);
  const held = await commitFree(parts, lane, request, judged);
  tellRefusals(parts, lane.alias, judged, frames);
  tellHeld(parts, lane.alias, held, frames);
  const now = await lane.state();
  const verdicts = judged.verdicts.map((verdict, index) =>
    heldVerdict(verdict, held.get(streamKey(frames[index]!))),
  );
  return {
    acks: judged.streams.map((stream) => ({ ...stream, through: throughOf(now, stream) })),
    verdicts: verdicts.flatMap((verdict, index) =>
      verdict.verdict === 'fresh' ? [] : [{ index, ...verdict }],
    ),
  };
}

/** All frames or none: a damaged body may be damaged anywhere. */
async function decode(body: Uint8Array, turns: Turns): Promise<Frame[]> {
  const frames: Frame[] = [];
  try {
    for (const frame of readFrames(body)) {
      frames.push(frame);
      await turns.spent(1024);
    }
  } catch (error) {
    if (!(error instanceof FrameError)) throw error;
    throw new Refusal(400, 'bad-frame', error.message, {
      hint: 'nothing of this request was landed; send it again',
      cause: error,
    });
  }
  return frames;
}

/** What the log refuses is left out until it takes the rest. Returns what was left out. */
async function commitFree(
  parts: IntakeParts,
  lane: Lane,
  request: SegmentsRequest,
  judged: Judged,
): Promise<Held> {
  const held = new Map(judged.held);
  for (;;) {
    const free = withoutHeld(judged, held);
    try {
      await commit(parts, lane, request, free);
      return held;
    } catch (error) {
      const found = heldBy(error, free.segments);
      if (found.size === 0) throw error;
      for (const [stream, why] of found) held.set(stream, why.slice(0, limits.lossDetailLength));
    }
  }
}

async function commit(
  { fleet, clock }: IntakeParts,
  lane: Lane,
  { session, acceptClock, receivedMono }: SegmentsRequest,
  { segments, losses }: Judged,
): Promise<void> {
  if (segments.length + losses.length === 0) return;
  const at = clock.now();
  const landed = await lane.commit({ at, underSession: session, segments, losses });
  fleet.onLanded({
    alias: lane.alias,
    checkpoints: landed.checkpoints,
    records: segments.reduce((sum, { count }) => sum + count, 0),
    payloadBytes: segments.reduce((sum, { payloadBytes }) => sum + payloadBytes, 0),
    losses,
    receivedMono,
    acceptClock,
  });
}

function tellRefusals(
  { fleet, log }: IntakeParts,
  alias: string,
  { verdicts }: Judged,
  frames: readonly Frame[],
): void {
  const first = verdicts.findIndex(({ verdict }) => verdict === 'refused');
  const verdict = verdicts[first];
  if (verdict?.verdict !== 'refused') return;
  const { topic, partition } = frames[first]!;
  const message = `refused a segment of ${topic}/${partition}: ${verdict.code}: ${verdict.message}`;
  const facts = { audit: true, event: 'refused', code: verdict.code, alias, message };
  log.warn(facts, 'audit: refused: a segment');
  fleet.onTrouble({ alias, type: 'refused', message });
}

function tellHeld(
  { fleet, log }: IntakeParts,
  alias: string,
  held: Held,
  frames: readonly Frame[],
): void {
  if (held.size === 0) return;
  const names = new Map(
    frames.map((frame) => [streamKey(frame), `${frame.topic}/${frame.partition}`]),
  );
  const [first, why] = [...held][0]!;
  const more = held.size > 1 ? ` and ${held.size - 1} more` : '';
  const message = `${names.get(first)}${more} cannot land now, the site keeps it: ${why}`;
  log.warn({ alias, message }, 'streams are held');
  fleet.onTrouble({ alias, type: 'held', message });
}
