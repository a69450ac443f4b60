import { type Reading, rounded } from './host-reading.ts';
import type { HostTree } from './host-tree.ts';

/**
 * Keys `pressure:cpu`, `pressure:io`, `pressure:memory`: share of the time in which some, or all
 * (full), tasks waited for it (the kernel's psi.rst).
 */
export async function readPressure(tree: HostTree): Promise<Reading[]> {
  const found = await Promise.all(
    ['cpu', 'io', 'memory'].map(async (resource) => {
      const fields = parsePressure((await tree.text(`proc/pressure/${resource}`)) ?? '');
      if (Object.keys(fields).length === 0) return [];
      return [{ key: `pressure:${resource}`, kind: 'pressure', fields: { resource, ...fields } }];
    }),
  );
  return found.flat();
}

/** `some avg10=0.12 avg60=… avg300=… total=…`: per cent, and microseconds in all. */
function parsePressure(text: string): Reading['fields'] {
  const fields: { [name: string]: number } = {};
  const lines = /^(some|full) avg10=(\S+) avg60=(\S+) avg300=(\S+) total=(\d+)$/gm;
  for (const [, who, avg10, avg60, avg300, total] of text.matchAll(lines)) {
    fields[`${who}10sRatio`] = rounded(Number(avg10) / 100, 4);
    fields[`${who}60sRatio`] = rounded(Number(avg60) / 100, 4);
    fields[`${who}300sRatio`] = rounded(Number(avg300) / 100, 4);
    fields[`${who}StalledSeconds`] = rounded(Number(total) / 1e6, 3);
  }
  return fields;
}
