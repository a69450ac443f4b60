import { expect, onTestFailed, test } from 'vitest';
import { kafkaMissing, kcatMissing } from '../kafka/missing.ts';
import { Chaos } from './faults.ts';
import { KafkaFleet } from './kafka-fleet.ts';
import { seedOf } from './main-job.ts';

const missing = kafkaMissing ?? kcatMissing;

test.skipIf(missing)(
  'whoever is killed, every record is in its remote and in its merged topic once, in order',
  async () => {
    const fleet = await KafkaFleet.open({ lightEdges: 9, realEdges: 2, seed: seedOf() });
    const over = AbortSignal.timeout(40_000);
    const chaos = new Chaos(fleet.random, over);
    onTestFailed(() => console.log(chaos.history.join('\n')));
    const load = fleet.load(over);
    await Promise.all([
      chaos.kafkaKiller(fleet.kafka, [6_000, 12_000]),
      ...fleet.collectors.map((collector) => chaos.killer(collector, [8_000, 20_000])),
      ...fleet.real.map((edge) => chaos.killer(edge, [4_000, 12_000])),
    ]);
    await load;
    console.log('faults', chaos.counts);
    await fleet.drained();
    await fleet.assertExact();
    expect(fleet.house.crashes).toEqual([]);
  },
  300_000,
);
