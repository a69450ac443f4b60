import { openBuffer } from '#edge/buffer/thread.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { optionsFor } from './buffer-harness.ts';

/**
 * Opens the buffer, does a gateway's work for a while, and prints how long opening took and how much
 * memory the process holds then.
 */
const path = process.argv[2] ?? '';
const startedAt = performance.now();
const options = optionsFor(path, { maxBytes: 16 * 2 ** 30 });
const buffer = await openBuffer(options, { clock: systemClock, log: silentLog });
const openMs = performance.now() - startedAt;
for (let i = 0; i < 300; i++) {
  const records = Array.from({ length: 50 }, (_, j) => ({
    ...{ key: Buffer.from(`machine-${j}`), headers: [], timestamp: 1_750_000_000_000 + i },
    value: Buffer.from(JSON.stringify({ machine: j, temperature: 20 + j / 10, round: i })),
  }));
  await buffer.append({ topic: 'live', records });
  if (i % 10 === 0) {
    const { frames } = await buffer.read({ from: new Map(), maxBytes: 1_000_000 });
    await buffer.acknowledge(
      frames
        .filter(({ topic }) => topic === 'live')
        .map(({ epoch, topic, partition, first, span }) => {
          return { epoch, topic, partition, through: first + span - 1 };
        }),
    );
    await buffer.report(0, 500);
  }
}
const { totals } = await buffer.report(0, 1);
const { rss } = process.memoryUsage();
console.log(JSON.stringify({ openMs, rss, backlogBytes: totals.backlogBytes }));
await buffer.close();
