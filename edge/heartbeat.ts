import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import { Signal } from '#shared/std/signal.ts';
import { limits } from '#shared/wire/limits.ts';
import { type Heartbeat, linkVersion, type SourceState } from '#shared/wire/link.ts';
import type { BufferReport, RecordBuffer } from './buffer/buffer.ts';
import { type LinkClient, LinkError } from './uplink/client.ts';
import type { Uplink } from './uplink/uplink.ts';

export interface HeartbeatOptions {
  buffer: RecordBuffer;
  client: LinkClient;
  uplink: Uplink;
  clock: Clock;
  log: Logger;
  alias: string;
  agent: string;
  requestTimeoutMs: number;
  sources: () => SourceState[];
  /** The file system that holds the buffer. */
  disk: () => Promise<{ freeBytes: number; totalBytes: number }>;
}

/** Before the first session, and while there is none. */
const intervalMsDefault = 5_000;

/**
 * Tells central how things stand, also when there is nothing to send: what it has not told yet of
 * its streams, and the totals. It rides on the uplink's session, and one that gets through ends the
 * uplink's pause. A heartbeat that was not answered is told again, newer, in the next one.
 */
export class Heartbeats {
  readonly #options: HeartbeatOptions;
  readonly #soon = new Signal();
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  /** Session the numbers below belong to. */
  #session = '';
  #number = 0;
  #reported = 0;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    options.uplink.onSession(() => this.#soon.notify());
  }

  start(): void {
    this.#running ??= this.#run(this.#abort.signal);
  }

  async stop(): Promise<void> {
    this.#abort.abort(new LinkError('unreachable', 'the agent stops'));
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const more = await this.#beat(signal).catch((error: unknown) => this.#failed(error));
      if (!more) await this.#pause(signal).catch(() => {});
    }
  }

  /** Waits an interval, or for a new session. */
  async #pause(signal: AbortSignal): Promise<void> {
    const { clock, uplink } = this.#options;
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    const ms = uplink.session?.heartbeatIntervalMs ?? intervalMsDefault;
    await Promise.race([clock.sleep(ms, either), this.#soon.wait(either)]).finally(() =>
      over.abort(),
    );
  }

  /** One heartbeat; true when there are more changed streams than fit into it. */
  async #beat(signal: AbortSignal): Promise<boolean> {
    const { buffer, client, uplink, requestTimeoutMs } = this.#options;
    const open = uplink.session;
    if (!open) return false;
    if (open.session !== this.#session) {
      this.#session = open.session;
      this.#number = 0;
      this.#reported = 0;
    }
    const report = await buffer.report(this.#reported, limits.heartbeatStreams);
    const heartbeat = await this.#compose(open, report);
    // One that was not answered may have arrived: what is said next is a newer one.
    this.#number += 1;
    await client.heartbeat(heartbeat, requestTimeoutMs, signal);
    this.#reported = report.version;
    uplink.answered('heartbeat');
    return report.more;
  }

  async #compose(
    open: { session: string; heartbeatIntervalMs: number },
    report: BufferReport,
  ): Promise<Heartbeat> {
    const { buffer, clock, alias, agent, sources, disk } = this.#options;
    return {
      version: linkVersion,
      alias,
      epoch: buffer.identity.epoch,
      session: open.session,
      number: this.#number,
      agent,
      clock: clock.now(),
      intervalMs: open.heartbeatIntervalMs,
      totals: report.totals,
      buffer: {
        usedBytes: report.usedBytes,
        maxBytes: report.maxBytes,
        whenFull: report.whenFull,
        blocked: report.blocked,
      },
      disk: await disk(),
      sources: sources(),
      streams: report.streams,
    };
  }

  #failed(error: unknown): false {
    const { uplink, log } = this.#options;
    if (this.#abort.signal.aborted) return false;
    if (error instanceof LinkError) {
      uplink.heartbeatFailed(error);
      if (error.code === 'hello') uplink.lost(this.#session);
    }
    log.debug({ error: String(error) }, 'heartbeat not answered');
    return false;
  }
}
