import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { optionsFor, temporaryFolder } from './buffer-harness.ts';
import { makeBacklog } from './large-backlog.ts';

const child = fileURLToPath(new URL('memory-child.ts', import.meta.url));
const mib = 1024 * 1024;

interface Measured {
  openMs: number;
  rss: number;
  backlogBytes: number;
}

/** The lower of two runs: what else the machine does only ever adds. */
async function measure(path: string): Promise<Measured> {
  const runs: Measured[] = [];
  for (let i = 0; i < 2; i++) {
    const { stdout } = await promisify(execFile)(process.execPath, [child, path]);
    runs.push(JSON.parse(stdout) as Measured);
  }
  const least = (of: (run: Measured) => number) => Math.min(...runs.map(of));
  return {
    openMs: least(({ openMs }) => openMs),
    rss: least(({ rss }) => rss),
    backlogBytes: runs[0]!.backlogBytes,
  };
}

test('memory and start-up do not grow with the backlog (512 MiB)', async () => {
  const folder = await temporaryFolder();
  const empty = await measure(join(folder.path, 'empty.db'));
  const path = join(folder.path, 'full.db');
  await makeBacklog(optionsFor(path, { maxBytes: 2 ** 30 }), 512 * mib);
  const full = await measure(path);
  expect(full.backlogBytes).toBeGreaterThan(512 * mib);
  expect(full.rss - empty.rss).toBeLessThan(40 * mib);
  expect(full.openMs).toBeLessThan(2 * empty.openMs + 50);
  await folder.remove();
}, 300_000);
