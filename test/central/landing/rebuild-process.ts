import { openKafkaLanding } from '#central/landing/kafka.ts';
import { ownTopics } from '#central/landing/kafka-names.ts';
import { soleOwner } from '#central/landing/kafka-owners.ts';
import type { Kafka } from '#shared/kafka/kafka.ts';
import { openKafka } from '#shared/kafka/open-kafka.ts';
import { openRecords } from '#shared/kafka/open-records.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { kafkaOptions } from './kafka-options.ts';

/**
 * A collector that starts with nothing: `node rebuild-process.ts BROKERS SHARDS`. Prints one line of
 * JSON when it owns every shard: how long that took, how long it takes only to read and unpack the
 * same topics, and the most memory that the process ever had.
 */
export interface Rebuilt {
  rebuildMs: number;
  readMs: number;
  records: number;
  maxRssBytes: number;
  aliases: number;
  landedRecords: number;
}

const [brokers = '', shards = '1'] = process.argv.slice(2);
const connect = () => openKafka({ brokers: [brokers], clientId: 'test' }, { log: silentLog });

const began = systemClock.monotonic();
const landing = await openKafkaLanding(
  { ...kafkaOptions, shards: Number(shards), commitTimeoutMs: 30_000 },
  { kafka: connect(), clock: systemClock, log: silentLog, owners: soleOwner },
);
await landing.serve(null);
const rebuildMs = systemClock.monotonic() - began;
const aliases = await landing.aliases();
const checkpoints = await landing.checkpoints({});
// In kilobytes.
const maxRssBytes = process.resourceUsage().maxRSS * 1024;
await landing.close();

const kafka = connect();
const readBegan = systemClock.monotonic();
const records = await readWhole(kafka);
const rebuilt: Rebuilt = {
  ...{ rebuildMs, readMs: systemClock.monotonic() - readBegan, records, maxRssBytes },
  aliases: aliases.length,
  landedRecords: checkpoints.reduce((sum, row) => sum + row.landedRecords, 0),
};
await kafka.close();
console.log(JSON.stringify(rebuilt));

async function readWhole({ admin, reads }: Kafka): Promise<number> {
  const topics = await admin.topics([ownTopics.checkpoints, ownTopics.fleet]);
  const at = topics.flatMap(({ topic, partitions }) =>
    partitions.map(({ partition }) => ({ topic, partition, offset: 0 })),
  );
  const ends = await admin.offsets(at, 'latest', 'committed');
  let count = 0;
  for (;;) {
    const behind = at.filter(({ offset }, i) => offset < ends[i]!);
    if (behind.length === 0) return count;
    const answers = await reads.fetch(behind, { maxWaitMs: 100, isolation: 'committed' });
    for (const [i, { batches, nextOffset }] of answers.entries()) {
      for (const { bytes } of batches) {
        for (const _ of openRecords(bytes, { trusted: true })) count += 1;
      }
      behind[i]!.offset = nextOffset;
    }
  }
}
