import { setImmediate } from 'node:timers/promises';
import { openEmbeddedLanding } from '#central/landing/embedded.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { Site } from '../../contract/landing-site.ts';

/**
 * `node landing-load.ts PATH MEBIBYTES`: lands so much, four commits at a time, reads a page now
 * and then, and prints `{"warmRss", "fullRss", "openMs"}`: resident bytes after 64 MiB and at the
 * end, and how long opening it again and asking for the fleet took, the least of a few times.
 */
const [path = '', mebibytes] = process.argv.slice(2);
const parts = { clock: systemClock, log: silentLog };
const options = { path, maxBytes: 8 * 1024 ** 3, retentionMs: 3_600_000 };

const landing = await openEmbeddedLanding(options, parts);
const site = new Site('factory-a');
await landing.commit([site.hello(1)]);
const { batch } = site.segment(64, { valueBytes: 8000, topic: 'template' });
const warmRss = await land(64);
const fullRss = await land(Number(mebibytes) - 64);
await landing.close();

const openMs = Math.min(await opening(), await opening(), await opening(), await opening());
console.log(JSON.stringify({ warmRss, fullRss, openMs }));

/** The disk still writes what landed: the least of several is what opening takes. */
async function opening(): Promise<number> {
  const start = systemClock.monotonic();
  const again = await openEmbeddedLanding(options, parts);
  await again.aliases();
  await again.load('factory-a');
  await again.topics();
  await again.records('readings', 0, 0, 10);
  const ms = systemClock.monotonic() - start;
  await again.close();
  return ms;
}

async function land(count: number): Promise<number> {
  let left = count * 2;
  const worker = async () => {
    while (left-- > 0) {
      const segment = site.segment(64, { batch, records: [] });
      await landing.commit([site.write(systemClock.now(), { segments: [segment] })]);
      if (left % 100 === 0) await landing.records('readings', 0, left * 32, 100);
    }
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  await setImmediate();
  return process.memoryUsage().rss;
}
