import { describe } from 'vitest';
import { openKafkaLanding } from '#central/landing/kafka.ts';
import type { KafkaLanding } from '#central/landing/kafka-landing.ts';
import { soleOwner } from '#central/landing/kafka-owners.ts';
import { openKafka } from '#shared/kafka/open-kafka.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { describeLanding } from '../../contract/landing.ts';
import type { LandingHarness } from '../../contract/landing-bench.ts';
import type { KafkaLine } from '../../kafka/jars.ts';
import { startKafka, type TestKafka } from '../../kafka/kafka.ts';
import { kafkaMissing } from '../../kafka/missing.ts';
import { kafkaOptions } from './kafka-options.ts';

/** The same promises as of every landing, with real brokers of this line. */
export function describeRealLanding(version: KafkaLine): void {
  describe.skipIf(kafkaMissing)(`on Kafka ${version}`, () => {
    const idle: TestKafka[] = [];
    describeLanding({
      name: `Kafka ${version}`,
      ...{ dense: false, retains: false, seams: false },
      open: async () => {
        const cluster = idle.pop() ?? (await startKafka({ version }));
        const harness = await openReal(cluster.bootstrap);
        // One property more would lose the harness's getter.
        const close = harness.close;
        harness.close = async () => {
          await close();
          idle.push(cluster);
        };
        return harness;
      },
    });
  });
}

/** Each landing finds an empty cluster: everything there is deleted first. */
async function openReal(bootstrap: string): Promise<LandingHarness> {
  const connect = () =>
    openKafka({ brokers: bootstrap.split(','), clientId: 'contract' }, { log: silentLog });
  const sweeper = connect();
  for (const { topic, internal } of await sweeper.admin.topics()) {
    if (!internal) await sweeper.admin.deleteTopic(topic);
  }
  await sweeper.close();
  const open = async () => {
    const landing = await openKafkaLanding(
      { ...kafkaOptions, commitTimeoutMs: 20_000 },
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
