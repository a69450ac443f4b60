import { openKafkaLanding } from '#central/landing/kafka.ts';
import type { KafkaLanding } from '#central/landing/kafka-landing.ts';
import { soleOwner } from '#central/landing/kafka-owners.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { describeLanding } from '../../contract/landing.ts';
import type { LandingHarness } from '../../contract/landing-bench.ts';
import { MemoryCluster } from '../../sim/memory-kafka.ts';
import { kafkaOptions } from './kafka-options.ts';

async function openMemory(): Promise<LandingHarness> {
  const cluster = new MemoryCluster();
  const open = async () => {
    const landing = await openKafkaLanding(
      { ...kafkaOptions },
      { kafka: cluster.open(), clock: systemClock, log: silentLog, owners: soleOwner },
    );
    await landing.serve(null);
    return landing;
  };
  let landing: KafkaLanding = await open();
  const now = Math.round(systemClock.now());
  return {
    get landing() {
      return landing;
    },
    now: () => now,
    advance() {},
    reopen: async () => {
      await landing.close();
      landing = await open();
    },
    crash: async () => {
      await landing.abandon();
      landing = await open();
    },
    close: () => landing.close(),
  };
}

describeLanding({
  name: 'Kafka, in memory',
  dense: false,
  retains: false,
  seams: false,
  open: openMemory,
});
