import { writeSync } from 'node:fs';
import { openBuffer } from '#edge/buffer/thread.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { Random } from '../../sim/random.ts';
import { optionsFor } from './buffer-harness.ts';

/**
 * Appends until it is killed, and says on standard output what it was told is durable: `+ topic id`
 * after each delivery, `- topic through` before it acknowledges.
 */
const [path = '', seed = '1', firstId = '0'] = process.argv.slice(2);
const random = new Random(Number(seed));
const options = optionsFor(path, { maxBytes: 256 * 1024 * 1024 });
const buffer = await openBuffer(options, { clock: systemClock, log: silentLog });
const say = (line: string) => writeSync(1, `${line}\n`);
let next = Number(firstId);

async function appendForever(topic: string): Promise<never> {
  for (;;) {
    const ids = Array.from({ length: random.between(1, 5) }, () => next++);
    const padding = 'x'.repeat(random.chance(0.1) ? 20_000 : random.between(0, 300));
    await buffer.append({
      topic,
      records: ids.map((id) => ({
        ...{ key: null, headers: [], timestamp: id },
        value: Buffer.from(`${id} ${padding}`),
      })),
      positions: { set: new Map([[`s/${topic}`, Buffer.from(String(ids.at(-1)))]]) },
    });
    for (const id of ids) say(`+ ${topic} ${id}`);
  }
}

async function acknowledgeForever(): Promise<never> {
  for (;;) {
    await systemClock.sleep(random.between(1, 30));
    const { frames } = await buffer.read({ from: new Map(), maxBytes: 20_000 });
    for (const { epoch, topic, partition, first, span } of frames) {
      const through = first + span - 1;
      say(`- ${topic} ${through}`);
      await buffer.acknowledge([{ epoch, topic, partition, through }]);
    }
  }
}

say('ready');
await Promise.all([
  ...['a', 'b', 'c', 'a', 'b', 'c'].map((topic) => appendForever(topic)),
  acknowledgeForever(),
]);
