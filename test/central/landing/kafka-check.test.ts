import { expect, test } from 'vitest';
import { checkCluster } from '#central/landing/kafka-check.ts';
import { KafkaError } from '#shared/kafka/kafka.ts';
import { globMatcher } from '#shared/std/glob.ts';
import { MemoryCluster } from '../../sim/memory-kafka.ts';
import { collector } from './kafka-chaos.ts';
import { kafkaOptions } from './kafka-options.ts';

const options = {
  ...kafkaOptions,
  brokers: ['kafka:9092'],
  flows: [{ into: 'readings', takes: globMatcher(['*.readings']) }],
};

const topic = (name: string, partitions = 1, configs = {}) => ({
  ...{ topic: name, partitions, replicationFactor: 1 },
  configs: { 'compression.type': 'producer', ...configs },
});

test('a cluster that fits, empty or in use, has nothing to warn of', async () => {
  const cluster = new MemoryCluster();
  const empty = await checkCluster(cluster.open(), options);
  expect(empty).toMatchObject({ warnings: [], problems: [] });
  expect(empty.summary).toMatch(/^Kafka at kafka:9092 answers: cluster \S+, 1 broker$/);
  await collector(cluster);
  const used = await checkCluster(cluster.open(), options);
  expect(used).toMatchObject({ warnings: [], problems: [] });
});

test('what will not work, and what somebody should know, is said with the setting', async () => {
  const cluster = new MemoryCluster();
  await collector(cluster, undefined, { shards: 2 });
  cluster.create(topic('readings', 2, { 'retention.ms': '3600000' }));
  cluster.create(topic('factory-a.readings', 3, { 'message.timestamp.type': 'LogAppendTime' }));
  cluster.create(topic('factory-a.images', 9));
  const unfit = { ...options, shards: 16, replicationFactor: 3 };
  const { warnings, problems } = await checkCluster(cluster.open(), unfit);
  expect(problems).toEqual([
    expect.stringMatching(/^landing.replication_factor = 3: the cluster has 1 broker,/),
  ]);
  const said = warnings.join('\n');
  expect(said).toMatch(/landing.shards = 16: tributary.checkpoints was made with 2, which stays/);
  expect(said).toMatch(/topic "readings": retention.ms = 3600000: a backlog/);
  expect(said).toMatch(/topic "factory-a.readings": message.timestamp.type = LogAppendTime/);
  expect(said).toMatch(/"readings" has 2 partitions and will need 3: .* keys go to other/);
  expect(said).not.toMatch(/images/);
});

test('a cluster that does not answer, or refuses us, is a problem with advice', async () => {
  for (const [code, advice] of [
    ['unavailable', /kafka said no; start it, or correct landing.brokers/],
    ['denied', /kafka said no; see landing.sasl and landing.tls/],
  ] as const) {
    const kafka = new MemoryCluster().open();
    kafka.admin.cluster = () => Promise.reject(new KafkaError(code, 'kafka said no'));
    const { problems } = await checkCluster(kafka, options);
    expect(problems).toEqual([expect.stringMatching(advice)]);
  }
});
