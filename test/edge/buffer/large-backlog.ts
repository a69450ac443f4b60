import { randomBytes } from 'node:crypto';
import type { BufferOptions } from '#edge/buffer/buffer.ts';
import { openInline } from './buffer-harness.ts';

const recordBytes = 64 * 1024;
const perDelivery = 64;

/** Fills a buffer with records that do not compress, as fast as the disk takes them. */
export async function makeBacklog(options: BufferOptions, bytes: number): Promise<void> {
  const buffer = await openInline({ ...options, compression: 'none' });
  const noise = randomBytes(perDelivery * recordBytes);
  for (let done = 0; done < bytes; done += noise.length) {
    const records = Array.from({ length: perDelivery }, (_, i) => ({
      ...{ key: null, headers: [], timestamp: 1_750_000_000_000 },
      value: noise.subarray(i * recordBytes, (i + 1) * recordBytes),
    }));
    await buffer.append({ topic: `backlog-${(done / noise.length) % 8}`, records });
  }
  await buffer.close();
}
