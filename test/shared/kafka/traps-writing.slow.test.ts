import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Connections } from '#shared/kafka/connections.ts';
import { produce } from '#shared/kafka/produce-api.ts';
import { retrying } from '#shared/kafka/retrying.ts';
import { sequenceAfter, stampBatch } from '#shared/kafka/stamped-batch.ts';
import { addPartitionsToTxn, endTxn, initProducerId } from '#shared/kafka/transaction-apis.ts';
import { systemClock } from '#shared/std/clock.ts';
import { crc32c } from '#shared/std/crc32c.ts';
import { batchField } from '#shared/wire/batch-layout.ts';
import { sealBatch } from '#shared/wire/record-batch.ts';
import { eventually } from '../../contract/eventually.ts';
import { javaRead } from '../../kafka/clients.ts';
import {
  addPartitionsAnswers,
  answers,
  askedAbout,
  type ErrorName,
  metadataLedBy,
  metadataWithout,
  produceAnswers,
  producedTo,
  produceLeavesOut,
  throttles,
} from '../../kafka/false-apis.ts';
import { kafkaMissing } from '../../kafka/missing.ts';
import { unique } from '../../kafka/shared.ts';
import { FalseCluster, failure } from './false-cluster.ts';
import { outgoing } from './real-cluster.ts';

/**
 * The traps of kafkajs that concern writing (B1 to B8, B11, B14 of its study: what its producer was
 * seen to do), each as a promise of shared/kafka, against real brokers behind false ones.
 */
describe.skipIf(kafkaMissing)('what kafkajs gets wrong in writing', () => {
  const cluster = new FalseCluster({ brokers: 3 });

  /** One partition for each of two brokers that lead. */
  async function twoLeaders(settings = {}) {
    const writer = await cluster.writer(6, settings, { 'min.insync.replicas': '2' });
    const [info] = await writer.kafka.admin.topics([writer.topic]);
    const [one, ...others] = info!.partitions;
    const two = others.find(({ leader }) => leader !== one!.leader)!;
    return { writer, one: one!, two, both: [one!.partition, two.partition] };
  }

  test('B1: partitions whose leader fails midway and moves to one that answered are not skipped', async () => {
    const { writer, one, two, both } = await twoLeaders();
    const { topic } = writer;
    const isOurs = (request: Parameters<typeof producedTo>[0]) =>
      producedTo(request).includes(`${topic}-${two.partition}`);
    const closed = cluster.front.add({
      api: 'Produce',
      broker: two.leader,
      when: isOurs,
      request: 'close',
    });
    // From then on for a while, all is said to be led by the one that answered.
    const led = cluster.front.add({
      api: 'Metadata',
      times: 2,
      when: () => closed.hits > 0,
      answer: metadataLedBy(one.leader),
    });
    const error = await failure(writer.send('lost', both));
    expect(error).toMatchObject({ code: 'unavailable' });
    expect(await failure(writer.producer.commit())).toMatchObject({ code: 'unavailable' });
    await writer.through('kept', both);
    expect(closed.hits).toBe(1);
    expect(led.hits).toBeGreaterThan(0);
    for (const partition of both) await writer.holds(partition, ['kept']);
  });

  test('B1: an answer that leaves out a partition is a failure of the transaction', async () => {
    const writer = await cluster.writer(6);
    const [info] = await writer.kafka.admin.topics([writer.topic]);
    const { leader } = info!.partitions[0]!;
    const together = info!.partitions.filter((each) => each.leader === leader);
    const partitions = together.map(({ partition }) => partition);
    cluster.front.add({ api: 'Produce', answer: produceLeavesOut(partitions[1]!) });
    const error = await failure(writer.send('lost', partitions));
    expect(error).toMatchObject({ code: 'unavailable', partition: partitions[1] });
    expect(await failure(writer.producer.commit())).toMatchObject({ code: 'unavailable' });
    await writer.through('kept', partitions);
    for (const partition of partitions) await writer.holds(partition, ['kept']);
  });

  test('B2: a partition that does not exist is missing, and nothing of the send is written', async () => {
    const writer = await cluster.writer(1);
    const error = await failure(writer.send('lost', [0, 7]));
    expect(error).toMatchObject({ code: 'missing', topic: writer.topic, partition: 7 });
    expect(await failure(writer.producer.commit())).toMatchObject({ code: 'unavailable' });
    expect(await writer.values(0, 'uncommitted')).toEqual([]);
  });

  test('a topic that one broker has not heard of yet is made all the same', async () => {
    const { admin } = cluster.client();
    const topic = unique('trap');
    // The second one that is asked about it, after the first has said who leads it.
    const slow = cluster.front.add({
      api: 'Metadata',
      when: (request) => askedAbout(request).includes(topic),
      skip: 1,
      times: 2,
      answer: metadataWithout(topic),
    });
    await admin.createTopic({ topic, partitions: 3, replicationFactor: 3, configs: {} });
    expect(slow.hits).toBe(2);
    expect((await admin.topics([topic]))[0]!.partitions).toHaveLength(3);
  });

  test('B3: whatever is tried again goes where it was to go', async () => {
    const writer = await cluster.writer(6);
    cluster.front.add({
      api: 'Produce',
      times: 3,
      answer: produceAnswers('NOT_LEADER_OR_FOLLOWER'),
    });
    const failures = await writer.through('kept', [4]);
    expect(failures.map(({ kafkaCode }) => kafkaCode)).toContain('NOT_LEADER_OR_FOLLOWER');
    const asked = cluster.front.seen.filter(({ api }) => api === 'Produce').flatMap(producedTo);
    expect(new Set(asked)).toEqual(new Set([`${writer.topic}-4`]));
    await writer.holds(4, ['kept']);
  });

  test('B4: brokers follow our sequences over 2^31', async () => {
    const { kafka, topic } = await cluster.writer(1);
    const brokers = cluster.front.bootstrap.split(',');
    const deps = { clock: systemClock, random: Math.random };
    const connections = new Connections({ brokers, clientId: 'test' }, deps);
    onTestFinished(() => connections.close());
    const id = unique('wrap');
    const coordinator = { transaction: id };
    // A broker that has just begun loads its coordinator first.
    const init = () => connections.send(coordinator, initProducerId(id, 30_000));
    const identity = await retrying(init, { clock: systemClock, forMs: 20_000 });
    const at = { topic, partition: 0 };
    await connections.send(coordinator, addPartitionsToTxn(id, identity, [at]));
    const [leader] = await connections.view.leaders([at]);
    // What the producer does, but begun as if two thousand million records had gone before.
    let sequence = 0x7fff_fffd;
    for (const values of [['a', 'b'], ['c', 'd', 'e'], ['f']]) {
      const { batch } = outgoing(topic, 0, values);
      const { header, payload, nextSequence } = stampBatch(batch, identity, sequence);
      const request = produce(id, 10_000, [{ ...at, header, payload }]);
      const answer = await connections.send({ node: leader as number }, request);
      expect([...answer.values()][0]).toEqual(expect.any(Number));
      sequence = nextSequence;
    }
    expect(sequence).toBe(3);
    expect(sequenceAfter(0x7fff_ffff, 1)).toBe(0);
    await connections.send(coordinator, endTxn(id, identity, true));
    await eventually(async () =>
      expect(await kafka.admin.offsets([at], 'latest', 'committed')).toEqual([7]),
    );
  });

  test.each([
    { how: 'not forwarded, closed', fault: { request: 'close' } },
    { how: 'done, and closed instead of the answer', fault: { answer: 'close' } },
    { how: 'done, and never answered', fault: { answer: 'drop' } },
    { how: 'not forwarded, and never answered', fault: { request: 'drop' } },
    { how: 'done, and called away', fault: { answer: answers('COORDINATOR_NOT_AVAILABLE') } },
    { how: 'done, and called elsewhere', fault: { answer: answers('NOT_COORDINATOR') } },
  ] as const)(
    'B5: a commit that is $how leaves the producer fit, and is once',
    async ({ fault }) => {
      const writer = await cluster.writer(1);
      const placed = cluster.front.add({ api: 'EndTxn', ...fault });
      await writer.through('one');
      await writer.through('two');
      await writer.holds(0, ['one', 'two']);
      expect(placed.hits).toBe(1);
    },
  );

  test('B5: a commit that never gets an answer is uncertain; init and a look settle it', async () => {
    const writer = await cluster.writer(1);
    await writer.send('one');
    const deaf = cluster.front.add({
      api: 'EndTxn',
      times: Number.POSITIVE_INFINITY,
      answer: answers('COORDINATOR_NOT_AVAILABLE'),
    });
    expect(await failure(writer.producer.commit())).toMatchObject({ code: 'uncertain' });
    deaf.remove();
    await writer.producer.init();
    await writer.holds(0, ['one']);
    await writer.through('two');
    await writer.holds(0, ['one', 'two']);
  });

  test.each<{ error: ErrorName; code: string }>([
    { error: 'UNKNOWN_PRODUCER_ID', code: 'fatal' },
    { error: 'OUT_OF_ORDER_SEQUENCE_NUMBER', code: 'fatal' },
    { error: 'INVALID_PRODUCER_EPOCH', code: 'unavailable' },
    { error: 'NOT_ENOUGH_REPLICAS_AFTER_APPEND', code: 'unavailable' },
    { error: 'KAFKA_STORAGE_ERROR', code: 'unavailable' },
  ])(
    'B6: $error, though the batch is in the log, costs one transaction',
    async ({ error, code }) => {
      const writer = await cluster.writer(2);
      cluster.front.add({
        api: 'Produce',
        when: (request) => producedTo(request).includes(`${writer.topic}-0`),
        answer: produceAnswers(error, 0),
      });
      expect(await failure(writer.send('lost', [0, 1]))).toMatchObject({ code, kafkaCode: error });
      expect((await failure(writer.producer.commit())).code).not.toBe('uncertain');
      await writer.through('kept', [0, 1]);
      for (const partition of [0, 1]) await writer.holds(partition, ['kept']);
    },
  );

  test('B7: a zombie is fenced by its transactional id, and positions are no group’s', async () => {
    const zombie = await cluster.writer(1);
    await zombie.send('of the zombie');
    const { transactionalId, kafka } = zombie;
    const heir = kafka.producer({ transactionalId, transactionTimeoutMs: 30_000 });
    await heir.init();
    expect(await failure(zombie.producer.commit())).toMatchObject({ code: 'fenced' });
    await heir.send([outgoing(zombie.topic, 0, ['of the heir'])]);
    await heir.commit();
    await zombie.holds(0, ['of the heir']);
    const sources = new URL('../../../shared/kafka/', import.meta.url);
    const files = readdirSync(sources).map((name) => readFileSync(new URL(name, sources), 'utf8'));
    // AddOffsetsToTxn and TxnOffsetCommit: nothing there can send what B7 is about.
    expect(files.filter((text) => /\bkey: (25|28)\b/.test(text))).toEqual([]);
  });

  test('B8: CONCURRENT_TRANSACTIONS is waited out in milliseconds, by init too', async () => {
    const writer = await cluster.writer(1);
    const busy = addPartitionsAnswers('CONCURRENT_TRANSACTIONS');
    const added = cluster.front.add({ api: 'AddPartitionsToTxn', times: 5, answer: busy });
    const answer = answers('CONCURRENT_TRANSACTIONS');
    const begun = cluster.front.add({ api: 'InitProducerId', times: 5, answer });
    expect(await writer.through('0')).toEqual([]);
    expect([added.hits, begun.hits]).toEqual([5, 5]);
    const startedMs = performance.now();
    for (let i = 1; i <= 20; i++) {
      await writer.send(`${i}`);
      await writer.producer.commit();
    }
    // kafkajs waits 300 ms before each of them.
    expect(performance.now() - startedMs).toBeLessThan(20 * 300);
    const all = Array.from({ length: 21 }, (_, i) => `${i}`);
    await writer.holds(0, all);
  });

  test('B11: null, repeated and unsorted headers pass as they are', async () => {
    const { topic, producer } = await cluster.writer(1);
    const headers = [
      ['2', Buffer.from('two')],
      ['10', null],
      ['b', Buffer.alloc(0)],
      ['2', Buffer.from([0xff, 0])],
    ] as const;
    const record = { key: null, value: null, headers, timestamp: Date.now() };
    await producer.send([
      {
        topic,
        partition: 0,
        batch: sealBatch([record], { compression: 'zstd' }),
      },
    ]);
    await producer.commit();
    const [read] = await javaRead(cluster.kafka.bootstrap, { topics: [topic] });
    expect(read).toMatchObject({ key: null, value: null, headers });
  });

  test('B14: batches go out unopened, however many records they say they have', async () => {
    const { topic, producer } = await cluster.writer(1);
    const batch = Buffer.from(outgoing(topic, 0, ['a', 'b', 'c']).batch);
    batch.fill(0xff, 61);
    batch.writeUInt32BE(crc32c(batch.subarray(batchField.attributes)), batchField.crc);
    const error = await failure(producer.send([{ topic, partition: 0, batch }]));
    const request = cluster.front.seen.find(({ api }) => api === 'Produce')!;
    expect(request.body.includes(batch.subarray(61))).toBe(true);
    // It was the broker who looked.
    expect(error.kafkaCode).not.toBeNull();
  });

  test.each([
    { how: 'falls silent', fault: { request: 'half-open' } },
    { how: 'swallows an answer', fault: { answer: 'drop' } },
    { how: 'closes instead of answering', fault: { answer: 'close' } },
    { how: 'takes its time', fault: { delayMs: 500 } },
    { how: 'throttles', fault: { answer: throttles(1000) } },
  ] as const)('a leader that $how costs at most one transaction', async ({ fault }) => {
    const writer = await cluster.writer(1);
    const placed = cluster.front.add({ api: 'Produce', ...fault });
    const failures = await writer.through('kept');
    expect(placed.hits).toBe(1);
    expect(failures.length).toBeLessThanOrEqual(1);
    for (const { code } of failures) expect(code).toBe('unavailable');
    await writer.holds(0, ['kept']);
  });
});
