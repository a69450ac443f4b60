import { describe } from 'vitest';
import { openKafka } from '#shared/kafka/open-kafka.ts';
import { silentLog } from '#shared/std/log.ts';
import { describeLanding } from '../../contract/landing.ts';
import type { LandingHarness } from '../../contract/landing-bench.ts';
import type { KafkaLine } from '../../kafka/jars.ts';
import { startKafka, type TestKafka } from '../../kafka/kafka.ts';
import { kafkaMissing } from '../../kafka/missing.ts';
import { kafkaHarness } from './kafka-harness.ts';

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
  return kafkaHarness(connect, { commitTimeoutMs: 20_000 });
}
