import { atMost } from '#shared/std/at-most.ts';
import { Backoff } from '#shared/std/backoff.ts';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import { Signal } from '#shared/std/signal.ts';
import { limits } from '#shared/wire/limits.ts';
import { type HelloAccepted, linkVersion } from '#shared/wire/link.ts';
import type { RecordBuffer } from '../buffer/buffer.ts';
import { BatchSize } from './batch-size.ts';
import { type LinkClient, LinkError } from './client.ts';
import { HeldStreams } from './held-streams.ts';
import { type Asked, LinkFailures } from './link-failures.ts';
import { Pump } from './pump.ts';
import { RateCap } from './rate-cap.ts';
import type { UplinkStatus } from './uplink-status.ts';

export interface UplinkOptions {
  buffer: RecordBuffer;
  client: LinkClient;
  clock: Clock;
  log: Logger;
  random: () => number;
  alias: string;
  /** Version of this program, for people. */
  agent: string;
  requestTimeoutMs: number;
  maxBytesPerSecond: number | null;
}

/** Longest pause between attempts, ms; a heartbeat that gets through ends any pause at once. */
const pauseMsMax = 30_000;
const helloPauseMsMax = 10_000;
/** While collectors are up, and only who of them serves us is not settled: seconds, not minutes. */
const handOverPauseMsMax = 500;
/** Collectors that after so many attempts still do not agree are asked less often. */
const handOverAttempts = 20;
const disagreedPauseMsMax = 5_000;
/** In a row, before another collector is asked. */
const busyMax = 4;
/** A person has to act at central; asking more often would not help. */
const deniedPauseMs = 30_000;
/** Somebody is at it, and looks whether it helped. */
const adoptPauseMs = 4_000;

/** An open session: what heartbeats need of it. */
export interface OpenSession {
  session: string;
  heartbeatIntervalMs: number;
}

/**
 * Carries the buffer to central, for as long as it takes: says hello, keeps the session, pumps the
 * backlog, backs off and comes back. Everything it decides rests on the buffer's durable state.
 */
export class Uplink {
  readonly #options: UplinkOptions;
  readonly #backoff: Backoff;
  readonly #size: BatchSize;
  readonly #pump: Pump;
  readonly #held: HeldStreams;
  readonly #failures = new LinkFailures();
  readonly #wake = new Signal();
  readonly #opened: (() => void)[] = [];
  #open: OpenSession | undefined;
  #abort = new AbortController();
  #sessionAbort = new AbortController();
  #running: Promise<void> | undefined;
  /** Addresses in a row that did not answer. */
  #silent = 0;
  #status: UplinkStatus;

  constructor(options: UplinkOptions) {
    this.#options = options;
    this.#backoff = new Backoff({ baseMs: 250, maxMs: pauseMsMax, random: options.random });
    this.#size = new BatchSize({
      min: 16 * 1024,
      max: limits.requestBytes,
      start: 256 * 1024,
      targetMs: 1000,
      patienceMs: options.requestTimeoutMs,
    });
    this.#status = {
      state: 'connecting',
      url: options.client.url,
      centralId: options.buffer.identity.centralId,
      lastAckAt: null,
      lastError: null,
      failingSince: null,
      nextAttemptAt: null,
      clockOffsetSeconds: null,
      requestBytesTarget: this.#size.target,
      held: [],
      sentBytes: 0,
      sentFrames: 0,
    };
    const perSecond = options.maxBytesPerSecond;
    this.#held = new HeldStreams(options.random);
    this.#pump = new Pump({
      buffer: options.buffer,
      client: options.client,
      clock: options.clock,
      size: this.#size,
      held: this.#held,
      cap: perSecond === null ? undefined : new RateCap(perSecond, options.clock),
      onAnswer: (batch) => {
        this.answered('segments');
        this.#status.lastAckAt = options.clock.now();
        this.#status.sentBytes += batch.body.length;
        this.#status.sentFrames += batch.frames.length;
      },
    });
  }

  start(): void {
    this.#running ??= this.#run(this.#abort.signal);
  }

  /** Sends what it can within `drainMs`, then stops. What is left stays in the buffer. */
  async stop(drainMs: number): Promise<void> {
    if (this.#open && drainMs > 0) {
      const limit = new AbortController();
      const drained = this.#pump.drained(limit.signal).catch(() => {});
      await atMost(this.#options.clock, drainMs, drained);
      limit.abort();
    }
    this.#abort.abort(new LinkError('unreachable', 'the agent stops'));
    await this.#running;
    this.#status.state = 'stopped';
  }

  status(): UplinkStatus {
    return {
      ...this.#status,
      state: this.#state,
      lastError: this.#failures.newest?.message ?? null,
      failingSince: this.#failures.since,
      url: this.#options.client.url,
      requestBytesTarget: this.#size.target,
      held: this.#held.reasons,
    };
  }

  /** By what came of what was asked, and not by what is tried just now. */
  get #state(): UplinkStatus['state'] {
    const { state } = this.#status;
    const failure = this.#failures.newest;
    if (!failure || state === 'adopt-needed' || state === 'stopped') return state;
    return failure.code === 'busy' ? 'not-landing' : 'waiting';
  }

  /** The session that central let in; undefined while there is none. */
  get session(): OpenSession | undefined {
    return this.#open;
  }

  /** Calls `listener` each time a session opens. */
  onSession(listener: () => void): void {
    this.#opened.push(listener);
  }

  /** Something got through to central: no reason to pause any longer. */
  answered(asked: Asked): void {
    this.#backoff.reset();
    this.#silent = 0;
    this.#failures.answered(asked);
    this.#wake.notify();
  }

  /** Without records to send, only heartbeats find out how central is. */
  heartbeatFailed({ code, message }: LinkError): void {
    this.#failures.failed('heartbeat', { code, message }, this.#options.clock.now());
  }

  /** Central said that `session` is not the one it lets in (any more). */
  lost(session: string): void {
    if (this.#open?.session !== session) return;
    this.#open = undefined;
    this.#sessionAbort.abort(new LinkError('hello', 'a heartbeat was told to say hello'));
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        this.#open ??= await this.#hello(signal);
        await this.#carry(this.#open.session, signal);
      } catch (error) {
        if (signal.aborted) return;
        await this.#recover(error, signal).catch(() => {});
      }
    }
  }

  async #carry(session: string, signal: AbortSignal): Promise<void> {
    this.#status.state = 'connected';
    this.#sessionAbort = new AbortController();
    await this.#pump.run(session, AbortSignal.any([signal, this.#sessionAbort.signal]));
  }

  /** Opens a session. A fork is followed by another hello at once, under the new epoch. */
  async #hello(signal: AbortSignal): Promise<OpenSession> {
    const { buffer, client, clock, alias, agent, log, requestTimeoutMs } = this.#options;
    if (this.#status.state !== 'adopt-needed') this.#status.state = 'connecting';
    for (;;) {
      const identity = buffer.identity;
      const hello = {
        version: linkVersion,
        alias,
        epoch: identity.epoch,
        session: identity.session,
        previous: identity.previous,
        unconfirmed: [...(identity.unconfirmed ?? [])],
        centralId: identity.centralId,
        agent,
        clock: clock.now(),
        streams: await buffer.helloStreams(),
        sourcesAt: identity.sourcesAt,
      };
      const answer = await client.hello(hello, requestTimeoutMs, signal);
      this.#status.centralId = answer.centralId;
      if (answer.outcome === 'accepted') return this.#accepted(answer);
      if (answer.outcome === 'adopt-needed') {
        this.#status.state = 'adopt-needed';
        throw new LinkError('denied', `${answer.reason}; nothing is sent until it is adopted`);
      }
      log.warn({ reason: answer.reason, scope: answer.scope }, 'becomes a new epoch');
      await buffer.fork(answer);
    }
  }

  async #accepted(answer: HelloAccepted): Promise<OpenSession> {
    const { buffer, clock, log } = this.#options;
    await buffer.confirmSession(answer.centralId);
    await buffer.acknowledge(answer.checkpoints);
    this.#size.limit(answer.limits.requestBytes);
    this.#status.clockOffsetSeconds = (answer.clock - clock.now()) / 1000;
    this.answered('hello');
    log.info({ central: answer.centralId, session: answer.session }, 'session open');
    const open = { session: answer.session, heartbeatIntervalMs: answer.heartbeatIntervalMs };
    this.#open = open;
    for (const listener of this.#opened) listener();
    return open;
  }

  /** One place decides what a failure means for the session and how long to pause. */
  async #recover(error: unknown, signal: AbortSignal): Promise<void> {
    const { client, clock, log } = this.#options;
    const code = error instanceof LinkError ? error.code : 'unreachable';
    const message = error instanceof Error ? error.message : String(error);
    this.#failures.failed(this.#open ? 'segments' : 'hello', { code, message }, clock.now());
    let pauseMs = this.#backoff.next();
    if (code === 'hello' || code === 'denied' || code === 'misdirected') this.#open = undefined;
    if (code === 'hello' && this.#backoff.attempts === 1) pauseMs = 0;
    if (code === 'busy') {
      const { retryAfterMs = 0 } = error as LinkError;
      if (retryAfterMs > 0) {
        // Central says how long; twice that at most, so that not all come back at once.
        pauseMs = retryAfterMs + Math.min(pauseMs, retryAfterMs);
      }
      // One that was cut off from its log goes on as if it served us; others know better.
      if (this.#backoff.attempts >= busyMax) client.tryNext();
    }
    this.#silent = code === 'unreachable' ? this.#silent + 1 : 0;
    const isOneSilent = client.isHandedOn || this.#silent < client.addresses;
    const isHandedOver = code === 'misdirected' || (code === 'unreachable' && isOneSilent);
    if (isHandedOver) {
      const soon = this.#backoff.attempts <= handOverAttempts;
      pauseMs = Math.min(pauseMs, soon ? handOverPauseMsMax : disagreedPauseMsMax);
    }
    if (code === 'denied') {
      const aboutMs = this.#status.state === 'adopt-needed' ? adoptPauseMs : deniedPauseMs;
      pauseMs = aboutMs * (0.5 + this.#options.random());
    }
    if (code === 'unreachable') {
      client.tryNext();
      // Without a session there are no heartbeats, whose success would end the pause.
      if (!this.#open) pauseMs = Math.min(pauseMs, helloPauseMsMax);
    }
    log.warn({ code, pauseMs: Math.round(pauseMs), error: message }, 'link');
    this.#status.nextAttemptAt = clock.now() + pauseMs;
    const pause = new AbortController();
    const either = AbortSignal.any([signal, pause.signal]);
    const woken = code === 'unreachable' ? this.#wake.wait(either) : undefined;
    await Promise.race([clock.sleep(pauseMs, either), ...(woken ? [woken] : [])]).finally(() => {
      woken?.catch(() => {});
      pause.abort();
      this.#status.nextAttemptAt = null;
    });
  }
}
