import { test } from 'vitest';
import { kafkaMissing, kcatMissing } from '../kafka/missing.ts';
import { killAtRandom } from './kafka-fleet-chaos.ts';
import { seedOf } from './main-job.ts';

test.skipIf(kafkaMissing ?? kcatMissing)(
  'whoever is killed, every record is in its remote and in its merged topic once, in order',
  () => killAtRandom({ lightEdges: 9, realEdges: 2, seed: seedOf(), seconds: 40 }),
  300_000,
);
