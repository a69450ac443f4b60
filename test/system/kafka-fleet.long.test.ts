import { test } from 'vitest';
import { kafkaMissing, kcatMissing } from '../kafka/missing.ts';
import { killAtRandom } from './kafka-fleet-chaos.ts';
import { seedOf } from './main-job.ts';

test.skipIf(kafkaMissing ?? kcatMissing)(
  'three brokers, three collectors, twenty edges, killed for minutes: every record once, in order',
  () => killAtRandom({ lightEdges: 17, realEdges: 3, seed: seedOf(), seconds: 180 }),
  600_000,
);
