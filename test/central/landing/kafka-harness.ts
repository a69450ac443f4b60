import { openKafkaLanding } from '#central/landing/kafka.ts';
import type { KafkaLanding } from '#central/landing/kafka-landing.ts';
import { soleOwner } from '#central/landing/kafka-owners.ts';
import type { Kafka } from '#shared/kafka/kafka.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import type { LandingHarness } from '../../contract/landing-bench.ts';
import { kafkaOptions } from './kafka-options.ts';

/** A landing over a cluster, which is connected to anew at each opening. */
export async function kafkaHarness(
  connect: () => Kafka,
  more: Partial<typeof kafkaOptions> = {},
): Promise<LandingHarness> {
  const open = async () => {
    const landing = await openKafkaLanding(
      { ...kafkaOptions, ...more },
      { kafka: connect(), clock: systemClock, log: silentLog, owners: soleOwner },
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
