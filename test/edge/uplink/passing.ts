import type { VirtualTime } from '../../sim/virtual-clock.ts';

/** Lets virtual time go by, ms, and whatever becomes ready in it run. */
export const passing =
  (time: () => VirtualTime) =>
  async (ms: number): Promise<void> => {
    const until = time().now + ms;
    do await settled();
    while (time().step(until));
    await settled();
  };

export async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
}
