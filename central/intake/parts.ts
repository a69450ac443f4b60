import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import type { FleetFeed } from '../fleet/fleet.ts';
import type { Landing } from '../landing/landing.ts';
import type { Merge } from '../merge/merge.ts';
import type { Mirror } from '../mirror/mirror.ts';
import type { IntakeSettings } from './intake.ts';

/** What the parts of the intake share. */
export interface IntakeParts {
  landing: Landing;
  merge: Merge;
  fleet: FleetFeed;
  /** undefined: the landing is no Kafka. */
  mirror: Mirror | undefined;
  clock: Clock;
  log: Logger;
  settings: IntakeSettings;
}
