import { afterEach, describe, expect, test } from 'vitest';
import { openKafkaLanding } from '#central/landing/kafka.ts';
import type { KafkaLanding } from '#central/landing/kafka-landing.ts';
import { soleOwner } from '#central/landing/kafka-owners.ts';
import type { MirrorWriter } from '#central/mirror/mirror.ts';
import { readWhole } from '#central/mirror/read-whole.ts';
import { type Kafka, KafkaError } from '#shared/kafka/kafka.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import type { WireRecord } from '#shared/wire/record.ts';
import { readAll } from '../../contract/landing-dump.ts';
import { Site } from '../../contract/landing-site.ts';
import { MemoryCluster } from '../../sim/memory-kafka.ts';
import { kafkaOptions } from './kafka-options.ts';

const topic = 'factory-a.checkpoints.internal';
const site = () => new Site('factory-a');
const open: KafkaLanding[] = [];
afterEach(async () => {
  for (const landing of open.splice(0)) await landing.abandon();
});

async function landingOf(cluster: MemoryCluster, kafka: Kafka = cluster.open()) {
  const landing = await openKafkaLanding(
    { ...kafkaOptions },
    { kafka, clock: systemClock, log: silentLog, owners: soleOwner },
  );
  open.push(landing);
  await landing.serve(null);
  return landing;
}

/** Has one record to write until it is written. */
class Writer implements MirrorWriter {
  written = 0;
  readonly #records: WireRecord[] = [
    { key: Buffer.from('k'), value: Buffer.from('v'), headers: [], timestamp: 1 },
  ];

  waiting = () => ['factory-a'];
  due = () =>
    this.written > 0
      ? undefined
      : { topics: [{ topic, records: this.#records }], written: () => void this.written++ };
}

const count = async (cluster: MemoryCluster, name: string): Promise<number> => {
  let records = 0;
  await readWhole(cluster.open(), name, () => records++);
  return records;
};

describe('what is written beside a transaction', () => {
  test('is in it, and said to be written when it is committed', async () => {
    const cluster = new MemoryCluster();
    const landing = await landingOf(cluster);
    const writer = new Writer();
    landing.mirror.attach(writer);
    await landing.commit([site().hello(1)]);
    expect(writer.written).toBe(1);
    expect(await count(cluster, topic)).toBe(1);
  });

  test('is written without a commit where somebody asks for it', async () => {
    const cluster = new MemoryCluster();
    const landing = await landingOf(cluster);
    const writer = new Writer();
    landing.mirror.attach(writer);
    landing.mirror.nudge('factory-a');
    await expect.poll(() => writer.written).toBe(1);
  });

  test('is written again where the transaction was not, and once only', async () => {
    const cluster = new MemoryCluster();
    const landing = await landingOf(cluster);
    const writer = new Writer();
    landing.mirror.attach(writer);
    let fails = 2;
    cluster.fault = (step, when) => {
      if (step === 'commit' && when === 'before' && fails-- > 0) {
        throw new KafkaError('uncertain', 'no answer');
      }
    };
    await landing.commit([site().hello(1)]);
    expect(writer.written).toBe(1);
    expect(await count(cluster, topic)).toBe(1);
  });

  test.each(['takes no record', 'cannot be made'])(
    'holds nobody up where its topic %s',
    async (how) => {
      const cluster = new MemoryCluster();
      const kafka = cluster.open();
      const { createTopic } = kafka.admin;
      kafka.admin.createTopic = async (need) => {
        if (!need.topic.endsWith('.internal')) return createTopic(need);
        if (how === 'cannot be made') throw new KafkaError('denied', 'no CREATE');
        return createTopic({ ...need, configs: { 'max.message.bytes': '10' } });
      };
      const landing = await landingOf(cluster, kafka);
      const writer = new Writer();
      landing.mirror.attach(writer);
      const factory = site();
      await landing.commit([factory.hello(1)]);
      for (let i = 0; i < 3; i++) {
        await landing.commit([factory.write(2, { segments: [factory.segment(3)] })]);
      }
      expect(await readAll(landing, 'factory-a.readings', 0)).toHaveLength(9);
      expect(writer.written).toBe(0);
    },
  );

  test('is left out while its topic is being made, and written soon after', async () => {
    const cluster = new MemoryCluster();
    const kafka = cluster.open();
    const { createTopic } = kafka.admin;
    const made = Promise.withResolvers<void>();
    kafka.admin.createTopic = async (need) => {
      if (need.topic.endsWith('.internal')) await made.promise;
      return createTopic(need);
    };
    const landing = await landingOf(cluster, kafka);
    const writer = new Writer();
    landing.mirror.attach(writer);
    const factory = site();
    await landing.commit([factory.hello(1)]);
    await landing.commit([factory.write(2, { segments: [factory.segment(3)] })]);
    expect(await readAll(landing, 'factory-a.readings', 0)).toHaveLength(3);
    expect(writer.written).toBe(0);
    made.resolve();
    await expect
      .poll(() => {
        landing.mirror.nudge('factory-a');
        return writer.written;
      })
      .toBe(1);
    expect(await count(cluster, topic)).toBe(1);
  });

  test('heartbeats hold nobody up either', async () => {
    const cluster = new MemoryCluster();
    for (const name of ['heartbeats', 'factory-a.heartbeats']) {
      const configs = { 'max.message.bytes': '10' };
      cluster.create({ topic: name, partitions: 1, replicationFactor: 1, configs });
    }
    const landing = await landingOf(cluster);
    const factory = site();
    await landing.commit([factory.hello(1)]);
    const heartbeat = { receivedAt: 2, heartbeat: factory.heartbeat(1) };
    await landing.commit([factory.write(2, { segments: [factory.segment(3)], heartbeat })]);
    expect((await landing.aliases())[0]?.heartbeat).toEqual(heartbeat);
    expect(await count(cluster, 'heartbeats')).toBe(0);
  });
});
