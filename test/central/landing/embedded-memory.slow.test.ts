import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mebibyte, temporaryFolder } from './embedded-harness.ts';

const mebibytes = Number(process.env.TRIBUTARY_LANDING_MIB ?? 400);

test(`memory stays flat over ${mebibytes} MiB of log, and so does the time to open it`, () => {
  const folder = temporaryFolder();
  const measure = (count: number): { warmRss: number; fullRss: number; openMs: number } =>
    JSON.parse(
      execFileSync(
        process.execPath,
        [
          join(import.meta.dirname, 'landing-load.ts'),
          join(folder.path, `central-${count}.db`),
          String(count),
        ],
        { encoding: 'utf8' },
      ),
    );
  const small = measure(65);
  const large = measure(mebibytes);
  folder.remove();
  // Transferred buffers wait for the collector, longer on a busy machine; growth with the log would be
  // hundreds.
  expect(large.fullRss - large.warmRss).toBeLessThan(80 * mebibyte);
  expect(large.openMs).toBeLessThan(2 * small.openMs + 200);
}, 120_000);
