import { expect, test } from 'vitest';
import { checkCluster } from '#central/landing/kafka-check.ts';
import { KafkaError } from '#shared/kafka/kafka.ts';
import { MemoryCluster } from '../../sim/memory-kafka.ts';
import { collector } from './kafka-chaos.ts';
import { kafkaOptions } from './kafka-options.ts';

const options = {
  ...kafkaOptions,
  brokers: ['kafka:9092'],
  flows: [{ into: 'readings' }],
  copies: {
    feedTargets: (topic: string) => (topic.endsWith('.readings') ? ['readings'] : []),
    externalTargets: (topic: string) =>
      topic === 'theirs' ? [{ into: 'readings', start: 'latest' as const }] : [],
  },
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
  cluster.create(topic('factory-a.readings', 3, { 'retention.ms': '86400000' }));
  cluster.create(topic('theirs', 4));
  cluster.create(topic('factory-a.images', 9));
  cluster.topics.get('tributary.losses')!.partitions.pop();
  const unfit = { ...options, shards: 16, replicationFactor: 3 };
  const { warnings, problems } = await checkCluster(cluster.open(), unfit);
  expect(problems).toEqual([
    expect.stringMatching(/^topic "tributary.losses" has 1 partitions, and 2 are needed: kafka-/),
  ]);
  const said = warnings.join('\n');
  expect(said).toMatch(/landing.shards = 16: tributary.checkpoints was made with 2, which stays/);
  expect(said).toMatch(/topic "readings": retention.ms = 3600000: a backlog/);
  expect(said).toMatch(/"readings" has 2 partitions and will need 4: .* keys go to other/);
  expect(said).toMatch(/^landing.replication_factor = 3: the cluster has 1 broker now/m);
  // Those may follow their site: a central that runs knows.
  expect(said).not.toMatch(/factory-a/);
  const empty = await checkCluster(new MemoryCluster().open(), unfit);
  expect(empty.problems).toEqual([expect.stringMatching(/^landing.replication_factor = 3/)]);
});

test('a topic that this user may not look at is a problem that says what is needed', async () => {
  const cluster = new MemoryCluster();
  cluster.create(topic('readings'));
  const kafka = cluster.open();
  kafka.admin.configs = () =>
    Promise.reject(new KafkaError('denied', 'TOPIC_AUTHORIZATION_FAILED'));
  const { summary, problems } = await checkCluster(kafka, options);
  expect(summary).toMatch(/answers: cluster/);
  expect(problems).toEqual([expect.stringMatching(/^topic "readings": .*DESCRIBE_CONFIGS on it$/)]);
});

test('a cluster that does not answer, or refuses us, is a problem with advice', async () => {
  for (const [code, said, advice] of [
    ['unavailable', 'connect ECONNREFUSED', /REFUSED; start it, or correct landing.brokers$/],
    ['unavailable', 'self-signed certificate', /certificate; see landing.brokers, landing.tls and/],
    ['denied', 'wrong password', /wrong password; see .*landing.sasl, and what this user may do/],
  ] as const) {
    const kafka = new MemoryCluster().open();
    kafka.admin.cluster = () => Promise.reject(new KafkaError(code, said));
    const { problems } = await checkCluster(kafka, options);
    expect(problems).toEqual([expect.stringMatching(advice)]);
  }
});
