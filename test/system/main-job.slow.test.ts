import { test } from 'vitest';
import { runMainJob, seedOf } from './main-job.ts';
import { mosquittoMissing } from './mosquitto.ts';

if (mosquittoMissing) console.log(`Skipped: ${mosquittoMissing}`);

test.skipIf(mosquittoMissing)(
  'every acknowledged message is merged exactly once, whoever is killed, restarted or cut off',
  () => runMainJob({ sites: ['factory-a'], seconds: 30, messagesPerSecond: 200, seed: seedOf() }),
  150_000,
);
