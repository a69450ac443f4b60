import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import type { Budget } from './mqtt-budget.ts';
import type { Connect, Will } from './mqtt-codec.ts';
import type { Handover } from './mqtt-handover.ts';
import type { Peer } from './mqtt-peer.ts';
import type { Receiver } from './mqtt-receiver.ts';
import type { Routes } from './mqtt-route.ts';
import type { Session } from './mqtt-session.ts';

/** What a listener is to its clients. */
export interface PeerHost {
  readonly source: string;
  readonly routes: Routes;
  readonly handover: Handover;
  readonly budget: Budget;
  readonly clock: Clock;
  readonly log: Logger;
  /** Lets a client in; rejects with a MqttProtocolError. */
  admit(peer: Peer, connect: Connect): Promise<Admission>;
  /** The connection is closed; `left` is what stays behind of a client that had been let in. */
  gone(peer: Peer, left: Departure | undefined): void;
}

export interface Departure {
  session: Session;
  /** Whether the session outlives the connection. */
  keeps: boolean;
  /** To be published through the receiver. */
  will?: Will;
  receiver?: Receiver;
}

export interface Admission {
  session: Session;
  present: boolean;
  /** Given by us, because the client brought none. */
  assignedId: string | undefined;
}
