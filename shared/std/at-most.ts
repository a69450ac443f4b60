import type { Clock } from './clock.ts';

/**
 * Waits for `work` for `ms` at most, or until `signal` comes; what is not done then goes on. Rejects
 * only where `work` does so in time.
 */
export async function atMost(
  clock: Clock,
  ms: number,
  work: Promise<unknown>,
  signal?: AbortSignal,
): Promise<void> {
  const enough = new AbortController();
  const either = signal ? AbortSignal.any([signal, enough.signal]) : enough.signal;
  const late = clock.sleep(ms, either).catch(() => {});
  try {
    await Promise.race([work, late]);
  } finally {
    enough.abort();
  }
}
