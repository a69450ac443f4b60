import { test } from 'vitest';
import { runMainJob, seedOf } from './main-job.ts';
import { mosquittoMissing } from './mosquitto.ts';

if (mosquittoMissing) console.log(`Skipped: ${mosquittoMissing}`);

const sites = ['factory-a', 'factory-b', 'store-1'];

test.skipIf(mosquittoMissing)(
  'three sites for minutes: every acknowledged message is merged exactly once',
  () => runMainJob({ sites, seconds: 200, messagesPerSecond: 60, seed: seedOf() }),
  420_000,
);
