import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Kafka, KafkaError } from '#shared/kafka/kafka.ts';
import { limits } from '#shared/wire/limits.ts';
import { type Compression, sealBatch } from '#shared/wire/record-batch.ts';
import { eventually } from '../../contract/eventually.ts';
import { startKafka, type TestKafka } from '../../kafka/kafka.ts';
import { kafkaMissing } from '../../kafka/missing.ts';
import { unique } from '../../kafka/shared.ts';
import { textRecord } from './log-batches.ts';
import { clientOf, outgoing, valuesOf } from './real-cluster.ts';

const transactionTimeoutMs = 30_000;
const failure = (promise: Promise<unknown>) => expect(promise).rejects;

describe.skipIf(kafkaMissing).each(['4.x', '3.x'] as const)(
  'transactions on Kafka %s',
  (version) => {
    let cluster: TestKafka;
    beforeAll(async () => {
      cluster = await startKafka({ version });
    });
    afterAll(() => cluster?.close());

    const start = async (partitions = 2) => {
      const kafka = clientOf(cluster.bootstrap);
      const topic = unique('topic');
      await kafka.admin.createTopic({ topic, partitions, replicationFactor: 1, configs: {} });
      const transactionalId = unique('writer');
      const producer = kafka.producer({ transactionalId, transactionTimeoutMs });
      await producer.init();
      return { kafka, topic, transactionalId, producer };
    };
    const readers = async (kafka: Kafka, topic: string, partition = 0) => ({
      committed: await valuesOf(kafka, { topic, partition }),
      uncommitted: await valuesOf(kafka, { topic, partition }, 'uncommitted'),
    });

    test('what is committed is read once and in order; offsets say where it is', async () => {
      const { kafka, topic, producer } = await start();
      const written: string[][] = [[], []];
      const offsets: number[][] = [[], []];
      for (let transaction = 0; transaction < 20; transaction++) {
        const sends = Array.from({ length: 10 }, (_, i) => {
          const values = [`${transaction}/${i}`, `${transaction}/${i}+`];
          for (const list of written) list.push(...values);
          return producer.send([outgoing(topic, 0, values), outgoing(topic, 1, values)]);
        });
        for (const [zero, one] of await Promise.all(sends)) {
          offsets[0]!.push(zero!);
          offsets[1]!.push(one!);
        }
        await producer.commit();
      }
      for (const partition of [0, 1]) {
        await eventually(async () =>
          expect(await valuesOf(kafka, { topic, partition })).toEqual(written[partition]),
        );
        // Two records a batch, and after ten batches the commit's marker.
        const expected = Array.from({ length: 200 }, (_, i) => 2 * i + Math.floor(i / 10));
        expect(offsets[partition]).toEqual(expected);
      }
    });

    test('what is aborted is invisible, and the producer goes on', async () => {
      const { kafka, topic, producer } = await start();
      await producer.send([outgoing(topic, 0, ['aborted'])]);
      await producer.abort();
      await producer.send([outgoing(topic, 0, ['committed'])]);
      await producer.commit();
      await eventually(async () =>
        expect((await readers(kafka, topic)).committed).toEqual(['committed']),
      );
      expect((await readers(kafka, topic)).uncommitted).toEqual(['aborted', 'committed']);
    });

    test('init fences the older producer and ends what it left open', async () => {
      const { kafka, topic, transactionalId, producer } = await start();
      await producer.send([outgoing(topic, 0, ['of the older'])]);
      const younger = kafka.producer({ transactionalId, transactionTimeoutMs });
      await younger.init();
      // Resolved: nothing of the older one is open, the committed end has passed it.
      expect(await kafka.admin.offsets([{ topic, partition: 0 }], 'latest', 'committed')).toEqual([
        2,
      ]);
      await failure(producer.send([outgoing(topic, 0, ['late'])])).toMatchObject({
        code: 'fenced',
      });
      await failure(producer.commit()).toMatchObject({ code: 'fenced' });
      await failure(producer.abort()).toMatchObject({ code: 'fenced' });
      await younger.send([outgoing(topic, 0, ['of the younger'])]);
      await younger.commit();
      await eventually(async () =>
        expect((await readers(kafka, topic)).committed).toEqual(['of the younger']),
      );
    });

    test('an older producer that only has its commit left is fenced too', async () => {
      const { kafka, topic, transactionalId, producer } = await start();
      await producer.send([outgoing(topic, 0, ['of the older'])]);
      const younger = kafka.producer({ transactionalId, transactionTimeoutMs });
      await younger.init();
      await failure(producer.commit()).toMatchObject({ code: 'fenced' });
      expect((await readers(kafka, topic)).committed).toEqual([]);
    });

    test('every compression passes unopened, up to the largest segment', async () => {
      const { kafka, topic, producer } = await start();
      const values = Array.from({ length: 500 }, (_, i) => `value ${i}`.repeat(20));
      const codecs: Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
      for (const compression of codecs) {
        const batch = sealBatch(values.map(textRecord), { compression });
        await producer.send([{ topic, partition: 0, batch }]);
      }
      const half = limits.segmentBytes / 2 - 100;
      const halves = ['x', 'y'].map((letter) => letter.repeat(half));
      const large = sealBatch(halves.map(textRecord), { compression: 'none' });
      await producer.send([{ topic, partition: 1, batch: large }]);
      await producer.commit();
      await eventually(async () =>
        expect((await readers(kafka, topic)).committed).toEqual(codecs.flatMap(() => values)),
      );
      await eventually(async () =>
        expect((await readers(kafka, topic, 1)).committed).toEqual(halves),
      );
    });

    test('what Kafka refuses says why; the next transaction is none the worse', async () => {
      const { kafka, topic, producer } = await start();
      const future = { ...textRecord('v'), timestamp: Date.now() + 10 * 3_600_000 };
      await kafka.admin.alterConfigs(topic, { 'max.message.bytes': '1000' });
      const tooLarge = outgoing(topic, 0, ['x'.repeat(2000)]);
      await eventually(async () => {
        await producer.init();
        await failure(producer.send([tooLarge])).toMatchObject({
          code: 'refused',
          kafkaCode: 'MESSAGE_TOO_LARGE',
          topic,
          partition: 0,
        });
      });
      if (version === '4.x') {
        await producer.init();
        const batch = sealBatch([future], { compression: 'none' });
        await failure(producer.send([{ topic, partition: 1, batch }])).toMatchObject({
          code: 'refused',
          kafkaCode: 'INVALID_TIMESTAMP',
          partition: 1,
        });
      }
      await failure(producer.commit()).toMatchObject({ code: 'unavailable' });
      await producer.init();
      await producer.send([outgoing(topic, 0, ['fine'])]);
      await producer.commit();
      await eventually(async () =>
        expect((await readers(kafka, topic)).committed).toEqual(['fine']),
      );
    });

    test('a topic without a life is missing, one that is made then is not', async () => {
      const { kafka, producer } = await start();
      const topic = unique('later');
      const lost = producer.send([outgoing(topic, 0, ['v'])]);
      await failure(lost).toMatchObject({ code: 'missing', topic });
      await kafka.admin.createTopic({ topic, partitions: 1, replicationFactor: 1, configs: {} });
      await producer.init();
      await producer.send([outgoing(topic, 0, ['v'])]);
      await producer.commit();
    });

    test('a transaction of hundreds of partitions', async () => {
      const { kafka, topic, producer } = await start(300);
      const partitions = Array.from({ length: 300 }, (_, partition) => partition);
      for (let round = 0; round < 3; round++) {
        await producer.send(
          partitions.map((partition) => outgoing(topic, partition, [`${round}`])),
        );
        await producer.commit();
      }
      await eventually(async () =>
        expect((await readers(kafka, topic, 299)).committed).toEqual(['0', '1', '2']),
      );
    });
  },
);

test.skipIf(kafkaMissing)(
  'brokers that die or fall silent lose nothing and double nothing',
  async () => {
    const cluster = await startKafka({ brokers: 3 });
    try {
      await transactionsThrough(cluster);
    } finally {
      await cluster.close();
    }
  },
  120_000,
);

test.skipIf(kafkaMissing)(
  'where a broker is gone for good, its partitions are written to where they went',
  async () => {
    const cluster = await startKafka({ brokers: 3 });
    onTestFinished(() => cluster.close());
    const kafka = clientOf(cluster.bootstrap);
    const topic = unique('topic');
    await kafka.admin.createTopic({ topic, partitions: 9, replicationFactor: 3, configs: {} });
    const producer = kafka.producer({ transactionalId: unique('writer'), transactionTimeoutMs });
    const partitions = [...Array(9).keys()];
    const transaction = async (value: string) => {
      await producer.init();
      await producer.send(partitions.map((partition) => outgoing(topic, partition, [value])));
      await producer.commit();
    };
    await transaction('before');
    for (const stop of ['stop', 'kill'] as const) {
      const [info] = await kafka.admin.topics([topic]);
      await cluster.broker(info!.partitions[0]!.leader)[stop]();
      let failures = 0;
      await expect
        .poll(
          async () => {
            await transaction(stop).catch(() => {
              failures += 1;
              throw new Error('not yet');
            });
            return true;
          },
          { timeout: 25_000, interval: 100 },
        )
        .toBe(true);
      console.log(`${stop}: ${failures} transactions failed`);
      for (const broker of cluster.brokers) await broker.start();
    }
  },
  120_000,
);

/**
 * The caller's part as the collector plays it: a transaction that failed is done again, one of
 * unknown outcome is looked up first.
 */
async function transactionsThrough(cluster: TestKafka): Promise<void> {
  const kafka = clientOf(cluster.bootstrap, { requestTimeoutMs: 5000, connectionTimeoutMs: 2000 });
  const topic = unique('topic');
  await eventually(() =>
    kafka.admin.createTopic({
      topic,
      partitions: 6,
      replicationFactor: 3,
      configs: { 'min.insync.replicas': '2' },
    }),
  );
  const partitions = [0, 1, 2, 3, 4, 5];
  const producer = kafka.producer({ transactionalId: unique('writer'), transactionTimeoutMs });
  const failures = new Map<string, number>();
  const landed = async (value: string) =>
    (await valuesOf(kafka, { topic, partition: 0 })).includes(value);
  const untilDone = async (work: () => Promise<unknown>): Promise<void> => {
    for (;;) {
      try {
        await work();
        return;
      } catch (error) {
        const { code } = error as KafkaError;
        failures.set(code, (failures.get(code) ?? 0) + 1);
      }
    }
  };
  const transaction = async (value: string): Promise<void> => {
    let uncertain = false;
    await untilDone(async () => {
      if (uncertain && (await landed(value))) return;
      uncertain = false;
      await Promise.all(
        [0, 1].map((half) =>
          producer.send(
            partitions.map((partition) => outgoing(topic, partition, [`${value}.${half}`])),
          ),
        ),
      ).catch(async (error) => {
        await producer.init();
        throw error;
      });
      await producer.commit().catch(async (error: KafkaError) => {
        uncertain = error.code === 'uncertain';
        await untilDone(() => producer.init());
        throw error;
      });
    });
  };
  await untilDone(() => producer.init());
  let calm = false;
  const inSync = (replicas: number) =>
    eventually(async () => {
      const [info] = await kafka.admin.topics([topic]);
      for (const { isr } of info!.partitions) expect(isr).toHaveLength(replicas);
    });
  const trouble: { [id: number]: () => Promise<void> } = {
    1: async () => {
      await cluster.broker(1).kill();
      await cluster.broker(1).start();
    },
    // Silent, with its connections open: the others do without it before it comes back.
    2: async () => {
      cluster.broker(2).pause();
      await inSync(2);
      cluster.broker(2).resume();
    },
  };
  const killed = (async () => {
    for (const id of [1, 2]) {
      await eventually(async () =>
        expect((await valuesOf(kafka, { topic, partition: 0 })).length).toBeGreaterThan(100 * id),
      );
      await trouble[id]!();
      await inSync(3);
    }
    calm = true;
  })();
  let count = 0;
  while (!calm) await transaction(`${count++}`);
  await killed;
  const expected = Array.from({ length: count }, (_, i) => [`${i}.0`, `${i}.1`]).flat();
  for (const partition of partitions) {
    await eventually(async () =>
      expect(await valuesOf(kafka, { topic, partition })).toEqual(expected),
    );
  }
  console.log(`${count} transactions, failures on the way: ${JSON.stringify([...failures])}`);
}
