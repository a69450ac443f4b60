import type { CommandIo, Signal } from './command-io.ts';
import type { Logger } from './log.ts';
import type { Notifier } from './systemd.ts';

/** A program that runs until it is told to stop. */
export interface Service {
  /** Printed as one JSON line on standard output, behind `"ready":true`. */
  ready: { readonly [name: string]: unknown };
  /** Throws when the service does not work; asked for the watchdog. */
  prove(): Promise<void>;
  stop(): Promise<void>;
}

export interface ServiceOptions {
  io: CommandIo;
  log: Logger;
  notifier: Notifier;
  start(): Promise<Service>;
  /** SIGHUP: looks at the settings again and says what came of it; undefined: SIGHUP stops, too. */
  reload?: () => void;
}

/** A signal so soon after the first is the same key press, passed on by a launcher. */
const sameKeyPressMs = 500;

/**
 * Starts the service, says when it is ready, and stops it in order at the first SIGTERM or SIGINT; a
 * second one gives up waiting. Answers the exit code; the caller ends the process.
 */
export async function runService(options: ServiceOptions): Promise<number> {
  const { io, log, notifier } = options;
  const asked = new StopRequests(options);
  try {
    const service = await Promise.race([options.start(), asked.twice]);
    if (service === 'forced') return forced(log);
    const watchdog = startWatchdog(service, options);
    if (!asked.isStopping) {
      io.out(JSON.stringify({ ready: true, ...service.ready }));
      notifier.ready('running');
    }
    await asked.once;
    watchdog();
    notifier.stopping('stopping');
    const ended = await Promise.race([service.stop(), asked.twice]);
    return ended === 'forced' ? forced(log) : 0;
  } finally {
    asked.close();
  }
}

function forced(log: Logger): number {
  log.warn('told to stop a second time: not waiting any longer');
  return 1;
}

class StopRequests {
  readonly once: Promise<void>;
  readonly twice: Promise<'forced'>;
  readonly close: () => void;
  isStopping = false;

  constructor({ io, log, reload, notifier }: ServiceOptions) {
    const first = Promise.withResolvers<void>();
    const second = Promise.withResolvers<'forced'>();
    let firstAt = 0;
    const onSignal = (signal: Signal) => {
      if (signal === 'SIGHUP' && reload !== undefined) {
        notifier.reloading();
        reload();
        notifier.ready('running');
        return;
      }
      const now = io.clock.monotonic();
      if (!this.isStopping) {
        this.isStopping = true;
        firstAt = now;
        log.info({ signal }, 'stopping; a second signal ends it at once');
        first.resolve();
      } else if (now - firstAt >= sameKeyPressMs) second.resolve('forced');
    };
    this.once = first.promise;
    this.twice = second.promise;
    this.close = io.onSignal(onSignal);
  }
}

/** Silence, not a bad answer that we could give ourselves, is what the watchdog is for. */
function startWatchdog(service: Service, { io, log, notifier }: ServiceOptions): () => void {
  if (notifier.watchdogMs === null) return () => {};
  let asking = false;
  return io.clock.every(notifier.watchdogMs, () => {
    if (asking) return;
    asking = true;
    service
      .prove()
      .then(
        () => notifier.watchdog('running'),
        (error: Error) => log.warn({ error: error.message }, 'does not prove to work'),
      )
      .finally(() => {
        asking = false;
      });
  });
}
