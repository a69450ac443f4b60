import type { FleetFeed, Landed, SessionOpened, Trouble } from '#central/fleet/fleet.ts';
import type { Intake, IntakeSettings } from '#central/intake/intake.ts';
import { openIntake } from '#central/intake/open-intake.ts';
import { openInlineLanding } from '#central/landing/embedded.ts';
import { openMemoryDatabase } from '#central/landing/embedded-open.ts';
import type { CommittedHeartbeat, Landing } from '#central/landing/landing.ts';
import { openMerge } from '#central/merge/merge.ts';
import { type Logger, silentLog } from '#shared/std/log.ts';
import type { Naming } from '#shared/wire/mm2-topics.ts';
import { MachineClock, VirtualTime } from '../../sim/virtual-clock.ts';

export const epochMs = Date.UTC(2026, 0, 1);

/** A central without sockets over a landing in memory, and what its intake told the fleet. */
export class World {
  readonly time = new VirtualTime();
  readonly clock = new MachineClock(this.time, epochMs);
  readonly database: ReturnType<typeof openMemoryDatabase>;
  readonly heard = new Heard();
  peer: string | undefined = '127.0.0.1';
  /** Codes of what the audit says was refused. */
  readonly refusals: string[] = [];
  readonly log: Logger = {
    ...silentLog,
    warn: ({ audit, code }: { audit?: boolean; code?: string }) => {
      if (audit) this.refusals.push(code ?? '');
    },
  } as Logger;
  feed: FleetFeed = this.heard;
  /** Takes effect with a restart. */
  naming: Naming;
  landing: Landing;
  intake: Intake;
  readonly #settings: Partial<IntakeSettings>;
  readonly #flows: { into: string; from: string[] }[];
  readonly #wrap: (landing: Landing) => Landing;

  constructor(
    options: {
      settings?: Partial<IntakeSettings>;
      flows?: { into: string; from: string[] }[];
      naming?: Naming;
      /** Of another world, whose central is gone. */
      database?: ReturnType<typeof openMemoryDatabase>;
      /** Stands between the intake and the landing. */
      wrap?: (landing: Landing) => Landing;
    } = {},
  ) {
    this.#settings = options.settings ?? {};
    this.#flows = options.flows ?? [{ into: 'sensor-data', from: ['*.sensor-data'] }];
    this.database = options.database ?? openMemoryDatabase();
    this.naming = options.naming ?? 'default';
    this.#wrap = options.wrap ?? ((landing) => landing);
    this.landing = this.#openLanding();
    this.intake = this.#openIntake();
  }

  /** Central dies and is started again over what it had committed. */
  restart(): void {
    this.landing = this.#openLanding();
    this.intake = this.#openIntake();
  }

  /** From now on the intake tells `feed`. */
  tell(feed: FleetFeed): void {
    this.feed = feed;
    this.intake = this.#openIntake();
  }

  #openLanding(): Landing {
    return openInlineLanding(
      this.database,
      { naming: this.naming, retentionMs: Number.POSITIVE_INFINITY, maxBytes: 2 ** 40 },
      { clock: this.clock, log: silentLog, newId: () => 'c'.repeat(32) },
    );
  }

  #openIntake(): Intake {
    return openIntake({
      landing: this.#wrap(this.landing),
      merge: openMerge(this.#flows, this.naming),
      fleet: this.feed,
      clock: this.clock,
      log: this.log,
      settings: this.#settings,
      peer: () => this.peer,
    });
  }

  /** Lets time pass, timers and what follows from them included. */
  async pass(ms: number): Promise<void> {
    const until = this.time.now + ms;
    do await new Promise(setImmediate);
    while (this.time.step(until));
    await new Promise(setImmediate);
  }

  /** Numbers and values in a topic, in order. */
  async valuesOf(topic: string, partition = 0): Promise<string[]> {
    const values: string[] = [];
    let offset: number | null = 0;
    while (offset !== null) {
      const page = await this.landing.records(topic, partition, offset, 1000);
      if (!page) break;
      values.push(...page.records.map(({ value }) => String(value)));
      offset = page.next;
    }
    return values;
  }
}

export class Heard implements FleetFeed {
  readonly hellos: SessionOpened[] = [];
  readonly landed: Landed[] = [];
  readonly heartbeats: { alias: string; committed: CommittedHeartbeat }[] = [];
  readonly troubles: Trouble[] = [];
  readonly others: string[] = [];
  onHello = (opened: SessionOpened): void => void this.hellos.push(opened);
  onLanded = (landed: Landed): void => void this.landed.push(landed);
  onHeartbeat = (alias: string, committed: CommittedHeartbeat): void =>
    void this.heartbeats.push({ alias, committed });
  onTrouble = (trouble: Trouble): void => void this.troubles.push(trouble);
  onDisabled = (alias: string, disabled: boolean): void =>
    void this.others.push(`${disabled ? 'disabled' : 'enabled'} ${alias}`);
  onRemoved = (alias: string): void => void this.others.push(`removed ${alias}`);
}
