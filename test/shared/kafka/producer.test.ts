import { afterEach, beforeEach, expect, test } from 'vitest';
import { Connections } from '#shared/kafka/connections.ts';
import { KafkaError } from '#shared/kafka/kafka.ts';
import { KafkaProducer } from '#shared/kafka/producer.ts';
import { systemClock } from '#shared/std/clock.ts';
import { sealBatch } from '#shared/wire/record-batch.ts';
import { eventually } from '../../contract/eventually.ts';
import { type FakeBroker, startFakeBroker } from './fake-broker.ts';
import { errorCode, type FakeTransactions, serveTransactions } from './fake-transactions.ts';

const requestTimeoutMs = 400;
const addPartitionsKey = 24;
let broker: FakeBroker;
let fake: FakeTransactions;
let connections: Connections;
let producer: KafkaProducer;

beforeEach(async () => {
  broker = await startFakeBroker();
  fake = serveTransactions(broker);
  connections = new Connections(
    { brokers: [broker.address], clientId: 'test', requestTimeoutMs },
    { clock: systemClock, random: Math.random },
  );
  producer = new KafkaProducer(
    { transactionalId: 't', transactionTimeoutMs: 500 },
    { connections, clock: systemClock, requestTimeoutMs, lane: 'producer' },
  );
});

afterEach(async () => {
  await connections.close();
  await broker.close();
});

const batch = (count = 2): Buffer =>
  sealBatch(
    Array.from({ length: count }, () => ({
      key: null,
      value: Buffer.from('v'),
      headers: [],
      timestamp: 1,
    })),
    { compression: 'none' },
  );
const to = (partition: number, count?: number) => ({ topic: 'a', partition, batch: batch(count) });

const failure = (promise: Promise<unknown>): Promise<KafkaError> =>
  promise.then(
    () => {
      throw new Error('resolved');
    },
    (error: unknown) => {
      expect(error).toBeInstanceOf(KafkaError);
      return error as KafkaError;
    },
  );

test('what is sent has consecutive sequences per partition, over sends and transactions', async () => {
  await producer.init();
  expect(await producer.send([to(0), to(1, 3), to(0, 4)])).toEqual([100, 100, 102]);
  expect(await producer.send([to(0)])).toEqual([106]);
  await producer.commit();
  expect(await producer.send([to(0), to(1)])).toEqual([108, 103]);
  await producer.commit();
  expect(fake.ended).toEqual(['commit', 'commit']);
});

test('a request carries one batch of each partition, and the coordinator hears of new ones once', async () => {
  await producer.init();
  await producer.send([to(0), to(0), to(1), to(0), to(1), to(2)]);
  await producer.send([to(1)]);
  expect(fake.requests).toEqual([['a:0', 'a:1', 'a:2'], ['a:0', 'a:1'], ['a:0'], ['a:1']]);
  expect(fake.added).toEqual(['a:0', 'a:1', 'a:2']);
  await producer.commit();
  await producer.send([to(1)]);
  expect(fake.added).toEqual(['a:0', 'a:1', 'a:2', 'a:1']);
});

test('the coordinator hears with the first ones of partitions that are told to come soon', async () => {
  await producer.init();
  await producer.send([to(0)], [to(2), { topic: 'a', partition: 1 }, to(0)]);
  await producer.send([to(1), to(2)]);
  await producer.commit();
  expect(fake.added).toEqual(['a:0', 'a:2', 'a:1']);
  expect(broker.seen.filter(({ key }) => key === addPartitionsKey)).toHaveLength(1);
  expect(fake.requests).toEqual([['a:0'], ['a:1', 'a:2']]);
});

test('sends that are not awaited keep their order, also while partitions are new', async () => {
  await producer.init();
  fake.script.add.push(errorCode('CONCURRENT_TRANSACTIONS'));
  const sends = Array.from({ length: 20 }, () => producer.send([to(0, 1)]));
  const offsets = (await Promise.all(sends)).flat();
  expect(offsets).toEqual(Array.from({ length: 20 }, (_, i) => 100 + i));
});

test('init and the first partitions wait for the transaction before', async () => {
  const busy = errorCode('CONCURRENT_TRANSACTIONS');
  fake.script.init.push(busy, busy, errorCode('COORDINATOR_LOAD_IN_PROGRESS'));
  fake.script.add.push(busy, errorCode('NOT_COORDINATOR'), busy);
  await producer.init();
  await producer.send([to(0)]);
  await producer.commit();
  expect(fake.ended).toEqual(['commit']);
});

test('an answer that leaves a partition out is no success', async () => {
  await producer.init();
  fake.script.produce.push('leave-out');
  const error = await failure(producer.send([to(0), to(1)]));
  expect(error).toMatchObject({ code: 'unavailable', topic: 'a', partition: 0 });
  expect((await failure(producer.commit())).code).toBe('unavailable');
  expect(fake.ended).toEqual([]);
});

test('a partition that does not exist is missing, and nothing is committed', async () => {
  await producer.init();
  expect(await failure(producer.send([to(0), to(9)]))).toMatchObject({
    code: 'missing',
    partition: 9,
  });
  expect((await failure(producer.commit())).code).toBe('unavailable');
  expect(fake.produced).toEqual([]);
});

test.each([
  ['MESSAGE_TOO_LARGE', 'refused'],
  ['INVALID_TIMESTAMP', 'refused'],
  ['NOT_LEADER_OR_FOLLOWER', 'unavailable'],
  ['NOT_ENOUGH_REPLICAS', 'unavailable'],
  ['UNKNOWN_TOPIC_OR_PARTITION', 'unavailable'],
  ['TOPIC_AUTHORIZATION_FAILED', 'denied'],
  ['OUT_OF_ORDER_SEQUENCE_NUMBER', 'fatal'],
  ['UNKNOWN_PRODUCER_ID', 'fatal'],
  // The coordinator, asked, knows of no younger one.
  ['INVALID_PRODUCER_EPOCH', 'unavailable'],
])(
  'a batch answered with %s is %s; the transaction is lost and the next one is not',
  async (kafkaCode, code) => {
    await producer.init();
    fake.script.produce.push(errorCode(kafkaCode));
    expect(await failure(producer.send([to(1)]))).toMatchObject({
      code,
      kafkaCode,
      topic: 'a',
      partition: 1,
      message: expect.stringContaining('because'),
    });
    expect((await failure(producer.send([to(1)]))).code).toBe('unavailable');
    expect((await failure(producer.commit())).code).toBe('unavailable');
    await producer.init();
    expect(await producer.send([to(1)])).toEqual([100]);
    await producer.commit();
    expect(fake.ended.at(-1)).toBe('commit');
    expect(fake.produced).toMatchObject([{ epoch: 1, baseSequence: 0 }]);
  },
);

test.each(['PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH'])(
  '%s at any step is fenced',
  async (name) => {
    const code = errorCode(name);
    await producer.init();
    fake.script.add.push(code);
    expect((await failure(producer.send([to(0)]))).code).toBe('fenced');
    expect((await failure(producer.abort())).code).toBe('fenced');
    await producer.init();
    await producer.send([to(0)]);
    fake.script.end.push(code);
    expect((await failure(producer.commit())).code).toBe('fenced');
    fake.script.init.push(code);
    expect((await failure(producer.init())).code).toBe('fenced');
  },
);

test('who a leader calls fenced is fenced when the coordinator says so, or nothing', async () => {
  const wrongEpoch = errorCode('INVALID_PRODUCER_EPOCH');
  for (const says of [errorCode('PRODUCER_FENCED'), 'drop'] as const) {
    await producer.init();
    fake.script.produce.push(wrongEpoch);
    fake.script.end.push(says);
    expect((await failure(producer.send([to(0)]))).code).toBe('fenced');
    expect((await failure(producer.send([to(0)]))).code).toBe('fenced');
    expect((await failure(producer.commit())).code).toBe('fenced');
  }
  await producer.init();
  fake.script.produce.push(wrongEpoch);
  fake.script.end.push(errorCode('INVALID_TXN_STATE'));
  expect((await failure(producer.send([to(0)]))).code).toBe('unavailable');
});

test('a commit that is not answered is asked again until it is known', async () => {
  await producer.init();
  await producer.send([to(0)]);
  fake.script.end.push('done-and-drop', errorCode('CONCURRENT_TRANSACTIONS'));
  await producer.commit();
  // The answer that never came may belong to a request that is still on its way.
  expect((await failure(producer.send([to(0)]))).code).toBe('unavailable');
  await producer.init();
  await producer.send([to(0)]);
  await producer.commit();
});

test('a commit without any answer is uncertain', async () => {
  await producer.init();
  await producer.send([to(0)]);
  fake.script.end.push(...Array<'drop'>(1000).fill('drop'));
  expect((await failure(producer.commit())).code).toBe('uncertain');
});

test('a refusal after a missing answer leaves the commit uncertain', async () => {
  for (const then of ['PRODUCER_FENCED', 'INVALID_TXN_STATE']) {
    await producer.init();
    await producer.send([to(0)]);
    fake.script.end.push('silent', errorCode(then));
    expect((await failure(producer.commit())).code).toBe('uncertain');
  }
});

test('a coordinator that refuses the commit at once has not committed', async () => {
  await producer.init();
  await producer.send([to(0)]);
  fake.script.end.push(errorCode('INVALID_TXN_STATE'));
  expect((await failure(producer.commit())).code).toBe('fatal');
});

test('a commit with nothing sent asks nobody; one after a failed send commits nothing', async () => {
  await producer.init();
  await producer.commit();
  fake.script.produce.push(0, errorCode('MESSAGE_TOO_LARGE'));
  const sends = [producer.send([to(0)]), producer.send([to(1)])];
  const commit = failure(producer.commit());
  expect(await sends[0]).toEqual([100]);
  expect((await failure(sends[1]!)).code).toBe('refused');
  expect((await commit).code).toBe('unavailable');
  expect(fake.ended).toEqual([]);
});

test('abort gives up what is open and leaves the producer fit; it never fails for a broker', async () => {
  await producer.init();
  await producer.abort();
  await producer.send([to(0)]);
  await producer.abort();
  expect(fake.ended).toEqual(['abort']);
  expect(await producer.send([to(0)])).toEqual([102]);
  fake.script.produce.push('drop');
  expect((await failure(producer.send([to(0)]))).code).toBe('unavailable');
  fake.script.end.push('drop');
  await producer.abort();
});

test('a connection that closes between transactions costs nothing', async () => {
  await producer.init();
  await producer.send([to(0)]);
  await producer.commit();
  const connection = await connections.connect({ node: 7 }, 'producer');
  broker.dropConnections();
  await eventually(() => expect(connection.closed?.code).toBe('unavailable'));
  await producer.send([to(0)]);
  await producer.commit();
  expect(fake.inits).toBe(1);
});

test('closing rejects what waits, with closed', async () => {
  await producer.init();
  fake.script.produce.push('silent');
  const waiting = failure(producer.send([to(0)]));
  await eventually(() => expect(broker.seen.some(({ key }) => key === 0)).toBe(true));
  await connections.close();
  expect((await waiting).code).toBe('closed');
  expect((await failure(producer.commit())).code).toBe('closed');
  expect((await failure(producer.init())).code).toBe('closed');
});

test('a producer that was never initialised says so', async () => {
  expect((await failure(producer.send([to(0)]))).code).toBe('fatal');
  expect((await failure(producer.commit())).code).toBe('fatal');
  await producer.abort();
});
