import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { openKafkaLanding } from '#central/landing/kafka.ts';
import { soleOwner } from '#central/landing/kafka-owners.ts';
import { openKafka } from '#shared/kafka/open-kafka.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { startKafka } from '../../kafka/kafka.ts';
import { kafkaMissing } from '../../kafka/missing.ts';
import { kafkaOptions } from './kafka-options.ts';
import { type MadeUpFleet, writeFleet } from './made-up-fleet.ts';
import type { Rebuilt } from './rebuild-process.ts';

const fleet: MadeUpFleet = {
  ...{ edges: 1_000, streams: 10, recordsPerStream: 10_000, shards: 16 },
  ...{ rowsPerStream: 20, indexPerStream: 20 },
};

test.skipIf(kafkaMissing)(
  'a fleet of a thousand sites that landed 100 million records is rebuilt in seconds, in little memory',
  async () => {
    const broker = await startKafka();
    onTestFinished(() => broker.close());
    const { bootstrap } = broker;
    const connect = () => openKafka({ brokers: [bootstrap], clientId: 'test' }, { log: silentLog });
    // Makes the topics.
    const first = await openKafkaLanding(
      { ...kafkaOptions, shards: fleet.shards },
      { kafka: connect(), clock: systemClock, log: silentLog, owners: soleOwner },
    );
    await first.close();
    const kafka = connect();
    await writeFleet(kafka, fleet).finally(() => kafka.close());

    const script = fileURLToPath(new URL('./rebuild-process.ts', import.meta.url));
    const args = ['--max-old-space-size=256', script, bootstrap, String(fleet.shards)];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    const rebuilt = JSON.parse(stdout) as Rebuilt;
    console.log(rebuilt);
    expect(rebuilt).toMatchObject({ aliases: 1_000, landedRecords: 100_000_000 });
    // What compaction has not come to yet was all read.
    expect(rebuilt.records).toBeGreaterThan(fleet.edges * fleet.streams * fleet.rowsPerStream);
    expect(rebuilt.maxRssBytes).toBeLessThan(500 * 1024 * 1024);
    expect(rebuilt.rebuildMs).toBeLessThan(60_000);
    // On a machine that is slow or busy both are.
    expect(rebuilt.rebuildMs).toBeLessThan(10 * rebuilt.readMs + 5_000);
  },
  180_000,
);
