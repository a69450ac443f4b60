import { expect, onTestFinished, test } from 'vitest';
import { startKafka } from '../kafka/kafka.ts';
import { kafkaMissing } from '../kafka/missing.ts';
import { runMainJob, seedOf } from './main-job.ts';
import { mosquittoMissing } from './mosquitto.ts';

const missing = mosquittoMissing ?? kafkaMissing;
if (missing) console.log(`Skipped: ${missing}`);

test.skipIf(missing)(
  'in Kafka, too, every acknowledged message is merged exactly once, whoever is killed or cut off',
  async () => {
    const kafka = await startKafka();
    onTestFinished(() => kafka.close());
    const { bootstrap } = kafka;
    expect(bootstrap).toContain(':');
    const job = { sites: ['factory-a'], seconds: 30, messagesPerSecond: 100 };
    await runMainJob({ ...job, seed: seedOf(), kafka: bootstrap });
  },
  240_000,
);
