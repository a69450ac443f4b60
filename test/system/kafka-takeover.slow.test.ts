import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { kafkaMissing, kcatMissing } from '../kafka/missing.ts';
import { assertShort, KafkaFleet } from './kafka-fleet.ts';
import { seedOf } from './main-job.ts';

const missing = kafkaMissing ?? kcatMissing;

/**
 * All of Kafka's patience with a member that is silent is 6 s of it; a machine that runs other tests
 * beside three brokers is slow.
 */
const takeoverMsMax = 20_000;

test.skipIf(missing)(
  'the sites of a collector that is killed are served again within seconds',
  async () => {
    const fleet = await KafkaFleet.open({
      ...{ lightEdges: 12, realEdges: 0, seed: seedOf(), besideApache: true },
    });
    const over = new AbortController();
    const load = fleet.load(over.signal);
    await sleep(4_000);
    const [collector] = fleet.collectors;
    const killedAt = performance.now();
    await collector!.kill();
    const deadAt = performance.now();
    const all = () => fleet.light.every(({ served }) => served.since(deadAt));
    await expect.poll(all, { timeout: 3 * takeoverMsMax, interval: 100 }).toBe(true);
    await sleep(2_000);
    const waits = new Map([[collector!.name, fleet.longestWait(killedAt)]]);
    await collector!.start();
    over.abort();
    await load;
    await fleet.drained();
    await fleet.assertExact();
    assertShort(waits, takeoverMsMax);
  },
  180_000,
);
