import { writeSync } from 'node:fs';
import { openEmbeddedLanding } from '#central/landing/embedded.ts';
import type { Landing } from '#central/landing/landing.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { Site } from '../../contract/landing-site.ts';
import { Random } from '../../sim/random.ts';

/**
 * A central that lands for ever, until it is killed: `node landing-process.ts PATH [SEED]`. Prints
 * a line for each commit that resolved: alias, topic and how far that stream has landed. Without a
 * seed it only holds the file.
 */
const [path = '', seed] = process.argv.slice(2);
const landing = await openEmbeddedLanding(
  { path, maxBytes: 256 * 1024 * 1024, retentionMs: 3_600_000 },
  { clock: systemClock, log: silentLog },
);
writeSync(1, 'ready\n');
if (seed !== undefined) {
  const sites = Array.from({ length: 3 }, (_, i) => land(landing, `site-${i}`, Number(seed) + i));
  await Promise.all(sites);
} else {
  await systemClock.sleep(3_600_000);
}

async function land(landing: Landing, alias: string, seed: number): Promise<void> {
  const random = new Random(seed);
  const site = new Site(alias);
  const state = await landing.load(alias);
  for (const { topic, through } of state?.checkpoints ?? []) site.skipTo(topic, through + 1);
  await landing.commit([site.hello(systemClock.now(), random.id())]);
  for (;;) {
    const topic = random.pick(['readings', 'alarms']);
    const segments = Array.from({ length: random.between(1, 4) }, () =>
      site.segment(random.between(1, 50), { topic, valueBytes: random.between(0, 2000) }),
    );
    const losses = random.chance(0.2) ? [site.loss(random.between(1, 5), { topic })] : [];
    const [landed] = await landing.commit([site.write(systemClock.now(), { segments, losses })]);
    writeSync(1, `${alias} ${topic} ${landed!.checkpoints[0]!.through}\n`);
  }
}
