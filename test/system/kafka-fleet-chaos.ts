import { expect, onTestFailed } from 'vitest';
import { Chaos } from './faults.ts';
import { type FleetSettings, KafkaFleet } from './kafka-fleet.ts';

/** Brokers, collectors and edges are killed at random under load, and all is counted at the end. */
export async function killAtRandom(settings: FleetSettings & { seconds: number }): Promise<void> {
  const fleet = await KafkaFleet.open(settings);
  const over = AbortSignal.timeout(settings.seconds * 1_000);
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
}
