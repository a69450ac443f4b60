import { type Reading, ratio } from './host-reading.ts';
import type { HostTree } from './host-tree.ts';

/** Keys `memory` and, where there is any, `swap`. */
export async function readMemory(tree: HostTree): Promise<Reading[]> {
  const bytes = parseMeminfo((await tree.text('proc/meminfo')) ?? '');
  const readings: Reading[] = [];
  const total = bytes.get('MemTotal');
  if (total !== undefined) {
    const [free, buffers, cached] = ['MemFree', 'Buffers', 'Cached'].map(
      (name) => bytes.get(name) ?? 0,
    ) as [number, number, number];
    const available = bytes.get('MemAvailable') ?? free + buffers + cached;
    const fields = {
      totalBytes: total,
      availableBytes: available,
      usedBytes: total - available,
      usedRatio: ratio(total - available, total),
      freeBytes: free,
      buffersBytes: buffers,
      cachedBytes: cached,
    };
    readings.push({ key: 'memory', kind: 'memory', fields });
  }
  const swap = bytes.get('SwapTotal') ?? 0;
  if (swap > 0) {
    const used = swap - (bytes.get('SwapFree') ?? 0);
    const fields = { totalBytes: swap, usedBytes: used, usedRatio: ratio(used, swap) };
    readings.push({ key: 'swap', kind: 'swap', fields });
  }
  return readings;
}

/** `MemTotal:  123 kB` → bytes. The kernel's kB are KiB. */
function parseMeminfo(text: string): Map<string, number> {
  const pairs = text.matchAll(/^(\w+):\s+(\d+) kB$/gm);
  return new Map([...pairs].map(([, name, kib]) => [name!, Number(kib) * 1024]));
}
