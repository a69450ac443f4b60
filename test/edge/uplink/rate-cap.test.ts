import { expect, test } from 'vitest';
import { RateCap } from '#edge/uplink/rate-cap.ts';
import { MachineClock, VirtualTime } from '../../sim/virtual-clock.ts';

test('over a minute no more than the cap and one burst leaves, however it is cut', async () => {
  const time = new VirtualTime();
  const cap = new RateCap(10_000, new MachineClock(time, 0));
  let sent = 0;
  const sender = (async () => {
    for (let i = 0; time.now < 60_000; i++) {
      const bytes = 500 + ((i * 7919) % 30_000);
      await cap.take(bytes);
      if (time.now < 60_000) sent += bytes;
    }
  })();
  for (let i = 0; i < 10_000 && time.now < 90_000; i++) {
    await new Promise(setImmediate);
    time.step(90_000);
  }
  await sender;
  expect(sent).toBeLessThanOrEqual(60 * 10_000 + 10_000 + 31_000);
  expect(sent).toBeGreaterThan(55 * 10_000);
});

test('a wait for room ends when it is aborted', async () => {
  const cap = new RateCap(1, new MachineClock(new VirtualTime(), 0));
  await cap.take(1000);
  const abort = new AbortController();
  const waiting = cap.take(1, abort.signal);
  abort.abort(new Error('stop'));
  await expect(waiting).rejects.toThrow('stop');
});
