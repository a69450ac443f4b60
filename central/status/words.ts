import type { EdgeStateName, FleetEvent } from '../fleet/views.ts';

/** The closed word lists of the views, as values; the compiler holds them complete. */

const states: { readonly [state in EdgeStateName]: true } = {
  live: true,
  'catching-up': true,
  stalled: true,
  offline: true,
  'never-seen': true,
};
export const edgeStates = Object.keys(states) as EdgeStateName[];

const types: { readonly [type in FleetEvent['type']]: true } = {
  'edge-state': true,
  hello: true,
  fork: true,
  'adopt-needed': true,
  refused: true,
  loss: true,
  flow: true,
};
export const eventTypes = Object.keys(types) as FleetEvent['type'][];
