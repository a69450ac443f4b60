import type { Heartbeat } from '#shared/wire/link.ts';
import { underSession } from './land-segments.ts';
import type { Lane } from './lane.ts';
import type { IntakeParts } from './parts.ts';

/** When the request arrived: the wall clock for people, the monotonic one to count with. */
export interface Received {
  at: number;
  mono: number;
}

/**
 * Runs in the alias' turn. It counts only once it is committed; one that the network held up does
 * not.
 */
export async function landHeartbeat(
  { fleet }: IntakeParts,
  lane: Lane,
  heartbeat: Heartbeat,
  received: Received,
): Promise<void> {
  const { session, number } = heartbeat;
  const state = underSession(await lane.state(), lane.alias, session);
  if (state.heartbeat?.session === session && number <= state.heartbeat.number) return;
  const committed = { receivedAt: received.at, heartbeat };
  await lane.commit({
    at: received.at,
    underSession: session,
    segments: [],
    losses: [],
    heartbeat: committed,
  });
  fleet.onHeartbeat(lane.alias, committed, received.mono);
}
