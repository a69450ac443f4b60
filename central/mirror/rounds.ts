import { Backoff } from '#shared/std/backoff.ts';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import type { Signal } from '#shared/std/signal.ts';

export interface RoundsOptions {
  clock: Clock;
  log: Logger;
  intervalMs: number;
  /** Ends a pause. */
  soon: Signal;
  /** Ends it all. */
  signal: AbortSignal;
  /** What does not happen while rounds fail, for the log. */
  failing: string;
}

/** Round after round, rarer while they fail; resolves when the signal comes. */
export async function runRounds(
  { clock, log, intervalMs, soon, signal, failing }: RoundsOptions,
  round: () => Promise<void>,
): Promise<void> {
  const backoff = new Backoff({ baseMs: intervalMs, maxMs: 30_000, random: Math.random });
  while (!signal.aborted) {
    try {
      await round();
      backoff.reset();
      await pause(clock, intervalMs, soon, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (backoff.attempts % 10 === 0) log.warn({ err: error }, failing);
      await clock.sleep(backoff.next(), signal).catch(() => {});
    }
  }
}

/** Until the time is over, or something is there to do. */
async function pause(clock: Clock, ms: number, soon: Signal, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const both = [clock.sleep(ms, either), soon.wait(either)];
  await Promise.race(both).finally(() => over.abort());
  await Promise.allSettled(both);
}
