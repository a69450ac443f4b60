import type { CommandIo, Signal } from './command-io.ts';
import type { Logger } from './log.ts';
import type { Notifier } from './systemd.ts';

/** A program that runs until it is told to stop. */
export interface Service {
  /** Printed as one JSON line on standard output, behind `"ready":true`. */
  ready: { readonly [name: string]: unknown };
  /**
   * Throws when the service does not work; asked for the watchdog. Answers how it goes, in words.
   */
  prove(): Promise<string>;
  stop(): Promise<void>;
  /** Resolves, with the reason, when it has to be started again with settings read anew. */
  outdated?: Promise<string>;
}

export interface ServiceOptions<Settings> {
  io: CommandIo;
  log: Logger;
  notifier: Notifier;
  settings: Settings;
  /** `stopping` aborts when it is told to stop: what would wait for long gives up and rejects. */
  start(settings: Settings, stopping: AbortSignal): Promise<Service>;
  /** Standard input that ends is a reason to stop, too: whoever started us is gone. */
  stopWithInput?: boolean;
  /** SIGHUP: reads the settings again; throws when they are bad. undefined: SIGHUP stops, too. */
  reload?: () => Settings;
  /** Reads the settings again for a service that says it is outdated; default: `reload`. */
  reread?: () => Settings;
}

/** A signal so soon after the first is the same key press, passed on by a launcher. */
const sameKeyPressMs = 500;

/** How often it says how it goes where there is no watchdog to feed. */
const statusMs = 20_000;

/**
 * Starts the service, says when it is ready, and stops it in order at the first SIGTERM or SIGINT;
 * a second one gives up waiting. Answers the exit code; the caller ends the process.
 */
export async function runService<Settings>(options: ServiceOptions<Settings>): Promise<number> {
  const { io, log, notifier } = options;
  const asked = new Requests(options);
  try {
    const first = await Promise.race([begun(options, asked), asked.twice]);
    if (first === 'forced') return forced(log);
    if (first === 'given up') return 0;
    const running = new Running(options, first, asked.stopping);
    const watchdog = startWatchdog(running, options);
    if (!asked.isStopping) {
      io.out(JSON.stringify({ ready: true, ...first.ready }));
      await tellReady(running, notifier);
      asked.onReload(() => running.reload());
    }
    await Promise.race([asked.once, running.lost]);
    watchdog();
    notifier.stopping('stopping');
    const ended = await Promise.race([running.stop(), asked.twice]);
    return ended === 'forced' ? forced(log) : 0;
  } finally {
    asked.close();
  }
}

/** A start that fails once it was told to stop has done what it was told. */
async function begun<Settings>(
  { start, settings, log }: ServiceOptions<Settings>,
  { stopping }: Requests<Settings>,
): Promise<Service | 'given up'> {
  try {
    return await start(settings, stopping);
  } catch (error) {
    if (!stopping.aborted) throw error;
    log.info({ error: (error as Error).message }, 'stopped before it was ready');
    return 'given up';
  }
}

function forced(log: Logger): number {
  log.warn('told to stop a second time: not waiting any longer');
  return 1;
}

const asWords = (running: Pick<Service, 'prove'>): Promise<string> =>
  running.prove().catch((error: Error) => `does not prove to work: ${error.message}`);

async function tellReady(running: Running<unknown>, notifier: Notifier): Promise<void> {
  notifier.ready(await asWords(running));
}

/** The service of the moment: a reload puts another, with the new settings, in its place. */
class Running<Settings> {
  readonly #options: ServiceOptions<Settings>;
  readonly #stopping: AbortSignal;
  #settings: Settings;
  #service: Service;
  /** Reloads and the stop, one after the other. */
  #last: Promise<void> = Promise.resolve();
  #reloadWanted = false;
  readonly #lost = Promise.withResolvers<never>();
  /** Rejects when neither the new settings nor the old ones could be started. */
  readonly lost: Promise<never> = this.#lost.promise;

  constructor(options: ServiceOptions<Settings>, service: Service, stopping: AbortSignal) {
    this.#options = options;
    this.#stopping = stopping;
    this.#settings = options.settings;
    this.#service = service;
    this.lost.catch(() => {});
    this.#follow(service);
  }

  /** While it is the one that runs. */
  #follow(service: Service): void {
    service.outdated?.then((why) => {
      if (this.#service !== service) return;
      this.#options.log.info({ why }, 'starts anew');
      this.reload();
    });
  }

  prove(): Promise<string> {
    return this.#service.prove();
  }

  stop(): Promise<void> {
    return this.#last.then(() => this.#service.stop());
  }

  /** Several signals while one reload is under way are one more reload. */
  reload(): void {
    if (this.#reloadWanted) return;
    this.#reloadWanted = true;
    this.#last = this.#last
      .then(() => {
        this.#reloadWanted = false;
        return this.#reload();
      })
      .catch((error: Error) => this.#lost.reject(error));
  }

  async #reload(): Promise<void> {
    const { notifier, log, reload, reread = reload } = this.#options;
    notifier.reloading();
    try {
      await this.#replace(reread!());
      log.info('the new settings are in effect');
    } catch (error) {
      if (error instanceof Unrecoverable) throw error.cause;
      log.error(
        { error: (error as Error).message },
        'the new settings were not taken; the old ones are in effect',
      );
    }
    await tellReady(this, notifier);
  }

  /** In order: what the old one accepted is on disk before the new one opens it. */
  async #replace(settings: Settings): Promise<void> {
    const { start, log } = this.#options;
    await this.#service.stop();
    try {
      this.#service = await start(settings, this.#stopping);
      this.#settings = settings;
      this.#follow(this.#service);
    } catch (error) {
      log.error({ error: (error as Error).message }, 'the new settings do not start');
      this.#service = await start(this.#settings, this.#stopping).catch((cause: unknown) => {
        throw new Unrecoverable('the old settings do not start either', { cause });
      });
      throw error;
    }
  }
}

class Unrecoverable extends Error {
  override name = 'Unrecoverable';
}

class Requests<Settings> {
  readonly once: Promise<void>;
  readonly twice: Promise<'forced'>;
  readonly close: () => void;
  /** Aborts with the first. */
  readonly stopping: AbortSignal;
  isStopping = false;
  #reload: (() => void) | undefined;
  #reloadMissed = false;

  constructor({ io, log, reload, stopWithInput }: ServiceOptions<Settings>) {
    const first = Promise.withResolvers<void>();
    const second = Promise.withResolvers<'forced'>();
    const stopping = new AbortController();
    let firstAt = 0;
    const onSignal = (signal: Signal) => {
      if (signal === 'SIGHUP' && reload !== undefined) {
        if (this.#reload === undefined) this.#reloadMissed = true;
        else this.#reload();
        return;
      }
      const now = io.clock.monotonic();
      if (!this.isStopping) {
        this.isStopping = true;
        firstAt = now;
        log.info({ signal }, 'stopping; a second signal ends it at once');
        first.resolve();
        stopping.abort();
      } else if (now - firstAt >= sameKeyPressMs) second.resolve('forced');
    };
    if (stopWithInput) io.stdin.resume().once('end', () => onSignal('SIGTERM'));
    this.once = first.promise;
    this.stopping = stopping.signal;
    this.twice = second.promise;
    this.close = io.onSignal(onSignal);
  }

  /** A SIGHUP that came while it started may be about settings that were read already. */
  onReload(reload: () => void): void {
    this.#reload = reload;
    if (this.#reloadMissed) reload();
  }
}

/** Silence, not a bad answer that we could give ourselves, is what the watchdog is for. */
function startWatchdog(
  service: Pick<Service, 'prove'>,
  { io, log, notifier }: Pick<ServiceOptions<unknown>, 'io' | 'log' | 'notifier'>,
): () => void {
  const { watchdogMs } = notifier;
  let asking = false;
  return io.clock.every(watchdogMs ?? statusMs, () => {
    if (asking) return;
    asking = true;
    service
      .prove()
      .then(
        (words) => (watchdogMs === null ? notifier.status(words) : notifier.watchdog(words)),
        (error: Error) => log.warn({ error: error.message }, 'does not prove to work'),
      )
      .finally(() => {
        asking = false;
      });
  });
}
