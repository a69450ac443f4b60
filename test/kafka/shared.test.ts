import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { kcatMissing } from './missing.ts';
import { sharedKafka, sharedKafkaMissing } from './shared.ts';

test.skipIf(sharedKafkaMissing)('asked twice, the run has one shared broker', async () => {
  const [one, two] = await Promise.all([sharedKafka(), sharedKafka()]);
  expect(one).toBe(two);
});

test.skipIf(sharedKafkaMissing ?? kcatMissing)('kcat sees the shared broker', async () => {
  const { stdout } = await promisify(execFile)('kcat', ['-b', await sharedKafka(), '-L', '-J']);
  expect(JSON.parse(stdout).brokers.length).toBeGreaterThan(0);
});
