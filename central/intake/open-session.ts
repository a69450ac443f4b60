import { limits } from '#shared/wire/limits.ts';
import { type Hello, type HelloAnswer, type HelloStream, streamKey } from '#shared/wire/link.ts';
import type { LossWrite } from '../landing/landing.ts';
import { decideHello, type HelloState, type Hole, noState } from './hello.ts';
import { type Lane, type LaneState, throughOf } from './lane.ts';
import { formatLineage, lineOf, parseLineage, runOf } from './lineage.ts';
import type { IntakeParts } from './parts.ts';
import { Refusal } from './refusal.ts';
import { SourcePlaces } from './source-places.ts';

const strangersMax = 1_000;

/** Decides a hello and commits what follows from it. Runs in the alias' turn. */
export class Sessions {
  readonly #parts: IntakeParts;
  /** Aliases that the landing knows; asked once. */
  #aliases: number | undefined;
  /** Sites that wait for adoption before their first session; true: allowed. */
  readonly #strangers = new Map<string, boolean>();

  constructor(parts: IntakeParts) {
    this.#parts = parts;
  }

  /** An alias was removed. */
  recount(): void {
    this.#aliases = undefined;
  }

  /**
   * Lets a site in that has cursors of another central and was never here, so that nothing can be
   * stored about it. Forgotten when central stops. False when no such site has asked.
   */
  adoptStranger(alias: string): boolean {
    if (!this.#strangers.has(alias)) return false;
    this.#strangers.set(alias, true);
    return true;
  }

  async open(lane: Lane, hello: Hello, receivedMono: number): Promise<HelloAnswer> {
    const { landing, fleet } = this.#parts;
    const state = await lane.state();
    if (state?.disabled) throw disabled(lane.alias);
    await this.#assertWelcome(lane.alias, state === undefined);
    const fences = state !== undefined && endsAnother(state, hello);
    this.#assertCalm(lane, fences);
    const adoptAllowed = state ? state.adoptAllowed : this.#strangers.get(lane.alias) === true;
    const known = helloState(state, adoptAllowed);
    const decision = decideHello(known, hello);
    const { centralId } = landing;
    switch (decision.outcome) {
      case 'refused':
        throw new Refusal(400, 'bad-hello', decision.reason);
      case 'fork': {
        const { scope, keep, reason } = decision;
        fleet.onTrouble({ alias: lane.alias, type: 'fork', message: reason });
        const { sources } = known;
        const told = hello.sourcesAt !== undefined && {
          ...{ sources: sources.list(), sourcesAt: sources.at },
        };
        return { outcome: 'fork', centralId, scope, keep, reason, ...told };
      }
      case 'adopt-needed': {
        const { holes, reason } = decision;
        if (!state) this.#remember(lane.alias);
        fleet.onTrouble({ alias: lane.alias, type: 'adopt-needed', message: reason });
        return { outcome: 'adopt-needed', centralId, reason, holes };
      }
      case 'accepted':
        if (decision.changed) {
          await this.#commit(lane, hello, formatLineage(decision.lineage), decision.holes);
          if (fences) lane.churn.takeover(this.#parts.clock.monotonic());
        }
        return this.#accepted(lane, hello, decision.holes, receivedMono);
    }
  }

  async #commit(lane: Lane, hello: Hello, lineage: string, holes: Hole[]): Promise<void> {
    const { epoch, session } = hello;
    const state = await lane.state();
    const losses = holes.map(
      (hole): LossWrite => ({
        ...hole,
        partitionCount:
          state?.checkpoints.get(streamKey(hole))?.partitionCount ?? hole.partition + 1,
        records: hole.span,
        scope: 'stream',
        bytes: 0,
        from: null,
        to: null,
        reason: 'central-rollback',
        detail: 'acknowledged by another central, or by this one before it was restored',
      }),
    );
    await lane.commit({
      at: this.#parts.clock.now(),
      session: { epoch, session, lineage },
      segments: [],
      losses,
    });
    if (state) return;
    this.#strangers.delete(lane.alias);
    if (this.#aliases !== undefined) this.#aliases += 1;
  }

  #remember(alias: string): void {
    if (this.#strangers.has(alias)) return;
    if (this.#strangers.size >= strangersMax) throw tooManySites(this.#strangers.size);
    this.#strangers.set(alias, false);
  }

  async #accepted(
    lane: Lane,
    hello: Hello,
    holes: readonly Hole[],
    receivedMono: number,
  ): Promise<HelloAnswer> {
    const { landing, fleet, clock, settings } = this.#parts;
    const state = (await lane.state())!;
    fleet.onHello({
      hello,
      firstSeenAt: state.firstSeenAt,
      checkpoints: [...state.checkpoints.values()],
      adopted: holes.reduce((sum, { span }) => sum + span, 0),
      receivedMono,
    });
    return {
      outcome: 'accepted',
      centralId: landing.centralId,
      session: hello.session,
      clock: Math.round(clock.now()),
      heartbeatIntervalMs: settings.heartbeatIntervalMs,
      limits: { requestBytes: limits.requestBytes, segmentBytes: limits.segmentBytes },
      checkpoints: hello.streams.map((stream) => checkpointFor(state, stream)),
    };
  }

  #assertCalm({ alias, churn }: Lane, fences: boolean): void {
    const calm = churn.hello(this.#parts.clock.monotonic(), fences);
    if (calm.verdict === 'fine') return;
    const { retryAfterSeconds } = calm;
    if (calm.verdict === 'too-often') {
      throw new Refusal(429, 'hello-too-often', `"${alias}" says hello without end`, {
        retryAfterSeconds,
      });
    }
    const message =
      'two machines use this alias at the same time and keep ending each other’s session';
    this.#parts.fleet.onTrouble({ alias, type: 'clone', message });
    throw new Refusal(429, 'clone', message, {
      hint: 'stop one of them, or give it an alias of its own',
      retryAfterSeconds,
    });
  }

  async #assertWelcome(alias: string, isNew: boolean): Promise<void> {
    const { merge, landing, settings } = this.#parts;
    const flow = merge.flowInTheWayOf(alias);
    if (flow) {
      throw new Refusal(
        403,
        'alias-taken',
        `the merged topic "${flow.into}" has this alias' prefix`,
        {
          hint: 'rename the flow in central.toml, or the alias',
        },
      );
    }
    if (!isNew) return;
    this.#aliases ??= (await landing.aliases()).length;
    if (this.#aliases < settings.aliasesMax) return;
    throw tooManySites(this.#aliases);
  }
}

export const disabled = (alias: string): Refusal =>
  new Refusal(403, 'disabled', `"${alias}" was disabled at central`, {
    hint: `tributary-central edges enable ${alias}`,
  });

const endsAnother = (state: LaneState, { session, previous }: Hello): boolean =>
  session !== state.session && previous !== state.session;

const tooManySites = (count: number): Refusal =>
  new Refusal(403, 'too-many-sites', `central knows ${count} sites already`, {
    hint: 'remove those that are gone: tributary-central edges remove <alias>',
  });

function helloState(state: LaneState | undefined, adoptAllowed: boolean): HelloState {
  if (!state) return { ...noState, adoptAllowed };
  const lineage = parseLineage(state.lineage);
  const line = lineOf(lineage, state.epoch);
  const run = line && runOf(line, state.session);
  if (run) run.used ||= state.sessionUsed;
  return {
    epoch: state.epoch,
    session: state.session,
    adoptAllowed,
    lineage,
    throughOf: (stream) => throughOf(state, stream),
    streamsOf: (epoch) => [...state.checkpoints.values()].filter((row) => row.epoch === epoch),
    sources: new SourcePlaces(lineage, state.checkpoints.values()),
  };
}

/**
 * A copy that went on may have landed more than this buffer ever had: it is told of its own only.
 */
function checkpointFor(state: LaneState, { epoch, topic, partition, head }: HelloStream) {
  const through = Math.min(head, throughOf(state, { epoch, topic, partition }));
  return { epoch, topic, partition, through };
}
