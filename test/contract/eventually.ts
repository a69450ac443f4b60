import { vi } from 'vitest';

/** Waits until the expectations hold; fails with theirs when they do not within 10 s. */
export const eventually = (expectations: () => void): Promise<void> =>
  vi.waitFor(expectations, { timeout: 10_000, interval: 5 });

/** Long enough for what must not happen to have happened: loopback and event loop take far less. */
export const quietly = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30));
