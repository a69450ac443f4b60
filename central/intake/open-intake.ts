import { byCertificate, loopbackOnly } from './authenticate.ts';
import type { Intake, IntakeAdmin, IntakeOptions, IntakeSettings } from './intake.ts';
import type { Lane, LaneState } from './lane.ts';
import { Lanes } from './lanes.ts';
import { type LinkParts, linkApp } from './link-app.ts';
import { MemoryBudget } from './memory-budget.ts';
import { Sessions } from './open-session.ts';

export const intakeDefaults: IntakeSettings = {
  heartbeatIntervalMs: 5_000,
  memoryBytesMax: 128 * 1024 * 1024,
  memoryBytesPerAlias: 24 * 1024 * 1024,
  bodyTimeoutMs: 60_000,
  aliasesMax: 10_000,
};

export function openIntake(options: IntakeOptions): Intake {
  const settings = { ...intakeDefaults, ...options.settings };
  const { landing, merge, fleet, mirror, clock, log } = options;
  const shared = { landing, merge, fleet, mirror, clock, log, settings };
  const parts: LinkParts = {
    ...shared,
    authenticate: options.credentials
      ? byCertificate(options.credentials)
      : loopbackOnly(options.peer ?? socketAddress),
    enrolment: options.enrolment,
    lanes: new Lanes(landing),
    sessions: new Sessions(shared),
    budget: new MemoryBudget({
      totalMax: settings.memoryBytesMax,
      perAliasMax: settings.memoryBytesPerAlias,
    }),
  };
  const { lanes } = parts;
  return {
    ...{ app: linkApp(parts), admin: admin(parts) },
    forget: (alias) => lanes.forget(alias),
    close: () => lanes.close(),
  };
}

/** The listener puts Node's request beside ours. */
const socketAddress = (_: Request, env: unknown): string | undefined =>
  (env as { incoming?: { socket?: { remoteAddress?: string } } } | undefined)?.incoming?.socket
    ?.remoteAddress;

function admin({ lanes, fleet, clock, sessions }: LinkParts): IntakeAdmin {
  const change = (
    alias: string,
    write: { flags?: { adoptAllowed?: boolean; disabled?: boolean }; remove?: boolean },
    then: () => void = () => {},
  ): Promise<void> =>
    lanes.run(alias, async (lane) => {
      await known(lane);
      await lane.commit({ at: clock.now(), segments: [], losses: [], ...write });
      then();
    });
  const disable = (alias: string, disabled: boolean) =>
    change(alias, { flags: { disabled } }, () => fleet.onDisabled(alias, disabled));
  return {
    adopt: async (alias) => {
      if (sessions.adoptStranger(alias)) return;
      await change(alias, { flags: { adoptAllowed: true } });
    },
    disable: (alias) => disable(alias, true),
    enable: (alias) => disable(alias, false),
    remove: (alias) =>
      change(alias, { remove: true }, () => {
        sessions.recount();
        fleet.onRemoved(alias);
      }),
  };
}

async function known(lane: Lane): Promise<LaneState> {
  const state = await lane.state();
  if (state) return state;
  throw new RangeError(`alias "${lane.alias}" never said hello here`);
}
