import type { Hello } from '#shared/wire/link.ts';
import type {
  Checkpoint,
  CommittedAlias,
  CommittedHeartbeat,
  LossWrite,
} from '../landing/landing.ts';
import type { EdgeView, FleetEvent, FlowView, StreamView } from './views.ts';

/**
 * What central knows of its edges. It is told by the intake after each commit, never before, and
 * answers from memory; after a restart it is rebuilt from the landing. All methods may be taken off
 * the object (`{ ...fleet, ...intake.admin }`).
 */
export interface Fleet extends FleetFeed {
  /** Every site known or expected, by alias. */
  edges(): EdgeView[];
  /** undefined when the site is neither known nor expected. */
  edge(alias: string): (EdgeView & { streams: StreamView[] }) | undefined;
  flows(): FlowView[];
  /** Another collector committed something of it; undefined: it was removed there. */
  onForeign(alias: string, committed: CommittedAlias | undefined): void;
  /** Oldest first: what the ring still holds with an id above `afterId`. */
  events(afterId: number): FleetEvent[];
  /** Called for every new event. Returns the way to stop it. */
  subscribe(listener: (event: FleetEvent) => void): () => void;
  /** Stops its timer. */
  close(): void;
}

/** How the intake tells the fleet what was committed, in the order of the commits of an alias. */
export interface FleetFeed {
  /** A session was opened (again). */
  onHello(opened: SessionOpened): void;
  onLanded(landed: Landed): void;
  /** `receivedMono`: the monotonic clock when the request arrived, ms. */
  onHeartbeat(alias: string, committed: CommittedHeartbeat, receivedMono: number): void;
  /** Something that a person should know; nothing was committed. */
  onTrouble(trouble: Trouble): void;
  onDisabled(alias: string, disabled: boolean): void;
  /** The alias was removed. */
  onRemoved(alias: string): void;
}

export interface SessionOpened {
  hello: Hello;
  firstSeenAt: number;
  /** All of the alias, as committed. */
  checkpoints: Checkpoint[];
  /** Sequences given up because central lost them or never had them (`edges adopt`). */
  adopted: number;
  receivedMono: number;
}

export interface Landed {
  alias: string;
  /** Those that moved, as committed. */
  checkpoints: readonly Checkpoint[];
  records: number;
  payloadBytes: number;
  losses: readonly LossWrite[];
  receivedMono: number;
  /** The edge's accept clock when it sent the request, ms; null when it did not say. */
  acceptClock: number | null;
}

export interface Trouble {
  alias: string;
  type: 'fork' | 'adopt-needed' | 'clone' | 'refused' | 'held';
  message: string;
}
