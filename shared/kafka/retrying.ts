import type { Clock } from '#shared/std/clock.ts';
import { KafkaError } from './kafka.ts';

export interface RetryOptions {
  clock: Clock;
  /** No new attempt begins later than that after the first. */
  forMs: number;
  /** Whether this failure is worth another attempt. Default: those that `canRetry`. */
  when?: (error: KafkaError) => boolean;
  /** Between attempts: from the first to the second, half as much more each time. */
  pauseMs?: readonly [first: number, longest: number];
}

/** Tries until it succeeds, fails in a way that waiting does not heal, or takes too long. */
export async function retrying<T>(
  attempt: () => Promise<T>,
  {
    clock,
    forMs,
    when = (error) => error.canRetry,
    pauseMs: [first, longest] = [20, 500],
  }: RetryOptions,
): Promise<T> {
  const untilMs = clock.monotonic() + forMs;
  for (let pauseMs = first; ; pauseMs = Math.min(longest, pauseMs * 1.5)) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof KafkaError) || !when(error)) throw error;
      if (clock.monotonic() + pauseMs > untilMs) throw error;
      await clock.sleep(pauseMs);
    }
  }
}
