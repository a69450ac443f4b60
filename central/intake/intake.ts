import type { Hono } from 'hono';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import type { Credentials, Enrolment } from '../enrol/enrol.ts';
import type { FleetFeed } from '../fleet/fleet.ts';
import type { Landing } from '../landing/landing.ts';
import type { Merge } from '../merge/merge.ts';
import type { Mirror } from '../mirror/mirror.ts';

/**
 * The front door of central (DESIGN §5): authenticate → admit → land → acknowledge. See
 * open-intake.ts.
 */
export interface Intake {
  /**
   * Serves `/link/v1/…`; mount it with getRequestListener, or call `app.request` in a simulation.
   */
  app: Hono;
  /**
   * What a person may do to a site. Each resolves when committed. Rejects with a LandingError or
   * RangeError.
   */
  admin: IntakeAdmin;
  /** Another collector committed something of this alias: what is known of it is asked for anew. */
  forget(alias: string): void;
  /** Takes no new requests (503) and waits for those under way. */
  close(): Promise<void>;
}

export interface IntakeAdmin {
  /** The site's next hello may leave holes; they become losses `central-rollback`. */
  adopt(alias: string): Promise<void>;
  disable(alias: string): Promise<void>;
  enable(alias: string): Promise<void>;
  /** Forgets sessions, checkpoints and heartbeat; its topics stay. */
  remove(alias: string): Promise<void>;
}

export interface IntakeOptions {
  landing: Landing;
  merge: Merge;
  fleet: FleetFeed;
  /** Takes what sites tell of their own Kafkas; absent: nobody does. */
  mirror?: Mirror | undefined;
  clock: Clock;
  log: Logger;
  settings?: Partial<IntakeSettings>;
  /** With TLS: who comes in is who the certificate says. Absent: plain HTTP, loopback only. */
  credentials?: Credentials;
  /** Answers `enrol` and `renew`; absent: there are no such paths. */
  enrolment?: Enrolment;
  /** Address of the other end; undefined: not known, and so refused. Default: the socket's. */
  peer?: (request: Request, env: unknown) => string | undefined;
}

export interface IntakeSettings {
  /** What edges are told. Default 5000. */
  heartbeatIntervalMs: number;
  /** Bodies in memory over all edges. Default 128 MiB. */
  memoryBytesMax: number;
  /** Bodies in memory of one edge. Default 24 MiB. */
  memoryBytesPerAlias: number;
  /** A body has to arrive within this time. Default 60 s. */
  bodyTimeoutMs: number;
  /** Aliases that a loopback peer may bring into being. Default 10 000. */
  aliasesMax: number;
}
