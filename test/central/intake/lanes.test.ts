import { expect, test } from 'vitest';
import { Lanes } from '#central/intake/lanes.ts';
import type { AliasState, Landing } from '#central/landing/landing.ts';

/** A landing that others move on: only `load` is asked. */
const landingOf = (session: () => string): Landing =>
  ({
    load: async () => ({ session: session(), checkpoints: [] }) as unknown as AliasState,
  }) as unknown as Landing;

test('what another collector committed is asked for anew, also by what waits in the lane', async () => {
  let session = 'first';
  const lanes = new Lanes(landingOf(() => session));
  const seen = () => lanes.run('factory-a', async (lane) => (await lane.state())?.session);
  expect(await seen()).toBe('first');
  session = 'second';
  expect(await seen()).toBe('first');
  const held = Promise.withResolvers<void>();
  const busy = lanes.run('factory-a', () => held.promise);
  const waiting = seen();
  lanes.forget('factory-a');
  held.resolve();
  await busy;
  expect(await waiting).toBe('second');
  expect(lanes.known('factory-a')?.session).toBe('second');
});
