import type { Clock } from '#shared/std/clock.ts';
import type { RecordBuffer } from './buffer/buffer.ts';

/** The store did not answer, or not in time; the agent may still answer for itself. */
export class StoreTrouble extends Error {
  override name = 'StoreTrouble';
  readonly code: 'store-silent' | 'store-failed';

  constructor(code: StoreTrouble['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** A store that hangs must not hang whoever asks how things are. */
export const storePatienceMs = 5_000;

/** `answer`, or a {@link StoreTrouble}, after {@link storePatienceMs} at the latest. */
export async function inTime<T>(clock: Clock, answer: Promise<T>): Promise<T> {
  const done = new AbortController();
  const late = clock.sleep(storePatienceMs, done.signal).then(() => {
    const message = `the store did not answer within ${storePatienceMs / 1000} s`;
    throw new StoreTrouble('store-silent', message);
  });
  // Aborted or too late for the race: nobody is left to be told.
  late.catch(() => {});
  try {
    return await Promise.race([answer, late]);
  } catch (error) {
    if (error instanceof StoreTrouble) throw error;
    throw new StoreTrouble('store-failed', (error as Error).message);
  } finally {
    done.abort();
  }
}

export interface Finding {
  ok: boolean;
  message: string;
}

/** Probing writes to the disk: callers share one result this long. */
const freshMs = 1_000;

/** Whether the store answers and can write. Probes never pile up on a store that hangs. */
export function sharedProbe(buffer: RecordBuffer, clock: Clock): () => Promise<Finding> {
  let current: { at: number; finding: Promise<Finding> } | undefined;
  let underWay: Promise<void> | undefined;
  const probe = () => {
    underWay ??= buffer.probe().finally(() => {
      underWay = undefined;
    });
    return inTime(clock, underWay).then(
      () => ({ ok: true, message: 'answers and can write' }),
      (error: Error) => ({ ok: false, message: error.message }),
    );
  };
  return () => {
    const now = clock.monotonic();
    if (current === undefined || now - current.at >= freshMs) {
      current = { at: now, finding: probe() };
    }
    return current.finding;
  };
}
