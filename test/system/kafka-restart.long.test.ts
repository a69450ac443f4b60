import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { kafkaMissing, kcatMissing } from '../kafka/missing.ts';
import { assertShort, KafkaFleet, type Wait } from './kafka-fleet.ts';
import { seedOf } from './main-job.ts';

const missing = kafkaMissing ?? kcatMissing;

/** Twice what is promised: another test has these two cores, too. Each wait is printed. */
const restartMsMax = 20_000;

test.skipIf(missing)(
  'while everything is restarted in turn, no site waits longer than seconds',
  async () => {
    const fleet = await KafkaFleet.open({
      ...{ lightEdges: 10, realEdges: 2, seed: seedOf(), besideApache: true },
    });
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
    const waits = new Map<string, Wait>();
    for (const [name, restart] of steps) {
      const since = performance.now();
      await restart();
      const tookMs = Math.round(performance.now() - since);
      await sleep(2_000);
      waits.set(`${name}, back after ${tookMs} ms`, fleet.longestWait(since));
    }
    over.abort();
    await load;
    await fleet.drained();
    await fleet.assertExact();
    expect(fleet.house.crashes).toEqual([]);
    assertShort(waits, restartMsMax);
  },
  420_000,
);
