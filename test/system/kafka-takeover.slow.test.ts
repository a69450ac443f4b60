import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { kafkaMissing, kcatMissing } from '../kafka/missing.ts';
import { KafkaFleet } from './kafka-fleet.ts';
import { seedOf } from './main-job.ts';

const missing = kafkaMissing ?? kcatMissing;

/** All of Kafka's patience with a member that is silent is 6 s of it. */
const takeoverMsMax = 15_000;

test.skipIf(missing)(
  'the sites of a collector that is killed are served again within seconds',
  async () => {
    const fleet = await KafkaFleet.open({ lightEdges: 12, realEdges: 0, seed: seedOf() });
    const over = new AbortController();
    const load = fleet.load(over.signal);
    await sleep(4_000);
    for (const collector of fleet.collectors.slice(0, 2)) {
      const killedAt = performance.now();
      await collector.kill();
      await sleep(takeoverMsMax);
      console.log(fleet.assertServed(killedAt, takeoverMsMax, `${collector.name} killed`));
      await collector.start();
    }
    over.abort();
    await load;
    await fleet.drained();
    await fleet.assertExact();
  },
  180_000,
);

const restartMsMax = 10_000;

test.skipIf(missing)(
  'while everything is restarted in turn, no site waits longer than 10 s',
  async () => {
    const fleet = await KafkaFleet.open({ lightEdges: 10, realEdges: 2, seed: seedOf() });
    const over = new AbortController();
    const load = fleet.load(over.signal);
    await sleep(4_000);
    const steps: (readonly [string, () => Promise<unknown>])[] = [
      ...fleet.kafka.brokers.map((broker) => {
        return [`broker ${broker.id}`, () => broker.restart().then(() => fleet.inSync())] as const;
      }),
      ...[...fleet.collectors, ...fleet.real].map((program) => {
        return [program.name, () => program.stop().then(() => program.start())] as const;
      }),
    ];
    const waits: string[] = [];
    for (const [name, restart] of steps) {
      const since = performance.now();
      await restart();
      await sleep(2_000);
      waits.push(fleet.assertServed(since, restartMsMax, name));
    }
    console.log(waits.join('\n'));
    over.abort();
    await load;
    await fleet.drained();
    await fleet.assertExact();
    expect(fleet.house.crashes).toEqual([]);
  },
  240_000,
);
