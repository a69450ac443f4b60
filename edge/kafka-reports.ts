import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import { Signal } from '#shared/std/signal.ts';
import { KafkaSights, type SightOptions } from './kafka-sights.ts';
import { KafkaTold } from './source/kafka-told.ts';
import { type LinkClient, LinkError } from './uplink/client.ts';
import type { Uplink } from './uplink/uplink.ts';

export interface KafkaReportsOptions {
  client: Pick<LinkClient, 'kafka'>;
  uplink: Pick<Uplink, 'session' | 'onSession' | 'lost'>;
  clock: Clock;
  log: Logger;
  alias: string;
  requestTimeoutMs: number;
  /** Every Kafka that is replicated, always in the same order; their topics differ. */
  clusters: () => readonly SightOptions[];
  /** How often the groups are looked at, ms. Default 10 000. */
  intervalMs?: number;
}

const intervalMsDefault = 10_000;
/** In one round: a central that forgets at once is asked again later. */
const beginningsMax = 3;

/**
 * Tells central how far the consumer groups of the site's own Kafka have read, and what its topics
 * are like. Rides on the uplink's session, as heartbeats do; a Kafka that is down tells nothing new.
 */
export class KafkaReports {
  readonly #options: KafkaReportsOptions;
  readonly #told: KafkaTold;
  readonly #sights: KafkaSights;
  readonly #soon = new Signal();
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  #troubled = false;

  constructor(options: KafkaReportsOptions) {
    this.#options = options;
    this.#told = new KafkaTold(options.alias);
    this.#sights = new KafkaSights(options.clock);
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
      try {
        await this.#tell(signal);
        if (this.#sights.trouble !== undefined) this.#failed(this.#sights.trouble);
        else this.#troubled = false;
      } catch (error) {
        this.#failed(error);
      }
      await this.#pause(signal).catch(() => {});
    }
  }

  async #tell(signal: AbortSignal): Promise<void> {
    const { client, uplink, requestTimeoutMs, clusters } = this.#options;
    const { intervalMs = intervalMsDefault } = this.#options;
    if (!uplink.session) return;
    const sight = await this.#sights.look(clusters(), intervalMs, signal);
    if (!sight) return;
    for (let begun = 0; begun < beginningsMax; ) {
      const session = uplink.session?.session;
      const next = session === undefined ? undefined : this.#told.next(session, sight);
      if (!next) return;
      if (next.report.number === 0) begun += 1;
      const answer = await client.kafka(next.report, requestTimeoutMs, signal);
      next.answered(answer.next);
    }
  }

  /** An interval, or until a new session, to which all is told again. */
  async #pause(signal: AbortSignal): Promise<void> {
    const { clock, intervalMs = intervalMsDefault } = this.#options;
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    const both = [clock.sleep(intervalMs, either), this.#soon.wait(either)];
    await Promise.race(both).finally(() => over.abort());
    await Promise.allSettled(both);
  }

  #failed(error: unknown): void {
    const { uplink, log } = this.#options;
    if (this.#abort.signal.aborted) return;
    const isHello = error instanceof LinkError && error.code === 'hello';
    if (isHello && uplink.session) uplink.lost(uplink.session.session);
    const what = { error: String(error) };
    if (this.#troubled) log.debug(what, 'groups are not told yet');
    else log.warn(what, 'groups are not told yet');
    this.#troubled = true;
  }
}
