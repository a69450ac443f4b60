import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Api } from '#shared/kafka/api.ts';
import { Connections } from '#shared/kafka/connections.ts';
import { KafkaError, type KafkaSettings } from '#shared/kafka/kafka.ts';
import { systemClock } from '#shared/std/clock.ts';
import { eventually } from '../../contract/eventually.ts';
import { answerMetadata, type FakeBroker, type FakeTopic, startFakeBroker } from './fake-broker.ts';

/** Echoes a string, in a version of the broker's choice. */
const echo = (text: string, extra: Partial<Api<unknown>> = {}): Api<string> => ({
  key: 1000,
  name: 'Echo',
  versions: [1, 4],
  flexibleFrom: 3,
  encode: (writer) => {
    writer.string(text);
    writer.tags();
  },
  decode: (reader) => reader.string(),
  ...(extra as Partial<Api<string>>),
});

let broker: FakeBroker;
let topics: FakeTopic[] = [];
const brokers = new Map<number, FakeBroker>();
const open: Connections[] = [];

const connections = (settings: Partial<KafkaSettings> = {}): Connections => {
  const made = new Connections(
    { brokers: [broker.address], clientId: 'test', ...settings },
    { clock: systemClock, random: Math.random },
  );
  open.push(made);
  return made;
};

const serve = (fake: FakeBroker, [min, max] = [0, 9]): void => {
  fake.apis.set(3, {
    min: 4,
    max: 9,
    flexibleFrom: 9,
    answer: answerMetadata(() => ({ brokers, topics })),
  });
  fake.apis.set(1000, {
    min: min!,
    max: max!,
    flexibleFrom: 3,
    answer: ({ body, version }, writer) => {
      writer.string(`${body.string()} v${version}`);
      writer.tags();
      return undefined;
    },
  });
};

beforeEach(async () => {
  broker = await startFakeBroker();
  topics = [];
  brokers.clear();
  brokers.set(7, broker);
  serve(broker);
});

afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
  for (const one of new Set([broker, ...brokers.values()])) await one.close();
});

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'resolved',
    (error: unknown) => (error instanceof KafkaError ? error.code : `no KafkaError: ${error}`),
  );

test('the highest version that both speak is taken, compact ones included', async () => {
  expect(await connections().send('any', echo('a'))).toBe('a v4');
  serve(broker, [0, 2]);
  expect(await connections().send('any', echo('a'))).toBe('a v2');
});

test('a broker that has only newer or older versions is told apart from one that is away', async () => {
  serve(broker, [5, 9]);
  expect(await codeOf(connections().send('any', echo('a')))).toBe('invalid');
  serve(broker, [0, 0]);
  expect(await codeOf(connections().send('any', echo('a')))).toBe('invalid');
});

test('requests go out in the order of their calls, also while the connection opens', async () => {
  const kafka = connections();
  const texts = Array.from({ length: 50 }, (_, i) => `${i}`);
  const answers = await Promise.all(texts.map((text) => kafka.send({ node: 7 }, echo(text))));
  expect(answers).toEqual(texts.map((text) => `${text} v4`));
});

test('lanes have connections of their own', async () => {
  const kafka = connections();
  await kafka.send({ node: 7 }, echo('a'), { lane: 'one' });
  await kafka.send({ node: 7 }, echo('a'), { lane: 'two' });
  await kafka.send({ node: 7 }, echo('a'), { lane: 'two' });
  const lanes = broker.seen.filter(({ key }) => key === 1000).map(({ connection }) => connection);
  expect(new Set(lanes).size).toBe(2);
  expect(lanes[1]).toBe(lanes[2]);
});

test('an answer that does not come closes the connection, and the next one is new', async () => {
  const kafka = connections({ requestTimeoutMs: 80 });
  const answer = broker.apis.get(1000)!.answer;
  broker.apis.get(1000)!.answer = () => false;
  const both = [
    codeOf(kafka.send({ node: 7 }, echo('a'))),
    codeOf(kafka.send({ node: 7 }, echo('b', { changesOnce: true }))),
  ];
  expect(await Promise.all(both)).toEqual(['unavailable', 'uncertain']);
  broker.apis.get(1000)!.answer = answer;
  expect(await kafka.send({ node: 7 }, echo('c'))).toBe('c v4');
});

test('a broker that answers nonsense is not believed any further', async () => {
  const kafka = connections();
  broker.apis.get(1000)!.answer = (_, writer) => {
    writer.uvarint(200);
    return undefined;
  };
  expect(await codeOf(kafka.send({ node: 7 }, echo('a')))).toBe('unavailable');
});

test('all brokers away is unavailable, and over when one is back', async () => {
  const kafka = connections();
  await broker.close();
  expect(await codeOf(kafka.send('any', echo('a')))).toBe('unavailable');
  expect(await codeOf(kafka.send({ node: 7 }, echo('a')))).toBe('unavailable');
  broker = await startFakeBroker(broker.port);
  brokers.set(7, broker);
  serve(broker);
  await eventually(async () => expect(await kafka.send({ node: 7 }, echo('a'))).toBe('a v4'));
});

test('a broker that moved is found at its new address', async () => {
  const kafka = connections();
  const seed = broker;
  expect(await kafka.send({ node: 7 }, echo('a'))).toBe('a v4');
  const moved = await startFakeBroker();
  serve(moved);
  brokers.set(7, moved);
  seed.dropConnections();
  await eventually(async () => expect(await kafka.send({ node: 7 }, echo('b'))).toBe('b v4'));
  expect(moved.seen.filter(({ key }) => key === 1000)).toHaveLength(1);
  await seed.close();
});

test('askers of one moment share a look at the cluster; a leader that moved is asked for again', async () => {
  topics = [
    { topic: 'a', leaders: [7, 7] },
    { topic: 'b', leaders: [-1] },
  ];
  const { view } = connections();
  const asked = (topic: string, partition = 0) => view.leaders([{ topic, partition }]);
  const looks = () => broker.seen.filter(({ key }) => key === 3).length;
  const [a0, a1, b, none] = await Promise.all([asked('a'), asked('a', 1), asked('b'), asked('c')]);
  expect([a0, a1]).toEqual([[7], [7]]);
  expect(b).toMatchObject([{ code: 'unavailable' }]);
  expect(none).toMatchObject([{ code: 'missing' }]);
  expect(looks()).toBe(1);
  expect(await asked('a')).toEqual([7]);
  expect(looks()).toBe(1);
  view.forgetLeader({ topic: 'a', partition: 0 });
  topics = [{ topic: 'a', leaders: [8, 7] }];
  expect(await asked('a')).toEqual([8]);
  expect(looks()).toBe(2);
});

test('a coordinator that says it is none is looked up again', async () => {
  let lookups = 0;
  broker.apis.set(10, {
    min: 0,
    max: 3,
    flexibleFrom: 3,
    answer: (_, writer) => {
      lookups += 1;
      writer.int32(0);
      writer.int16(0);
      writer.nullableString(null);
      writer.int32(7);
      writer.string('127.0.0.1');
      writer.int32(broker.port);
      writer.tags();
      return undefined;
    },
  });
  const kafka = connections();
  const lost = new KafkaError('unavailable', 'moved', { kafkaCode: 'NOT_COORDINATOR' });
  const refuse = {
    decode: () => {
      throw lost;
    },
  };
  expect(await kafka.send({ group: 'g' }, echo('a'))).toBe('a v4');
  expect(await kafka.send({ group: 'g' }, echo('b'))).toBe('b v4');
  expect(lookups).toBe(1);
  expect(await codeOf(kafka.send({ group: 'g' }, echo('c', refuse)))).toBe('unavailable');
  expect(await kafka.send({ group: 'g' }, echo('d'))).toBe('d v4');
  expect(lookups).toBe(2);
});

test('close rejects what is under way and all that follows', async () => {
  const kafka = connections();
  broker.apis.get(1000)!.answer = () => false;
  const waiting = codeOf(kafka.send({ node: 7 }, echo('a')));
  await eventually(() => expect(broker.seen.some(({ key }) => key === 1000)).toBe(true));
  await kafka.close();
  expect(await waiting).toBe('closed');
  expect(await codeOf(kafka.send('any', echo('a')))).toBe('closed');
});

test('giving up waiting leaves the connection to the others', async () => {
  const kafka = connections();
  await kafka.send({ node: 7 }, echo('a'));
  const connected = broker.connections;
  const answer = broker.apis.get(1000)!.answer;
  broker.apis.get(1000)!.answer = () => false;
  const stop = new AbortController();
  const waiting = codeOf(kafka.send({ node: 7 }, echo('a'), { signal: stop.signal }));
  await eventually(() => expect(broker.seen.filter(({ key }) => key === 1000)).toHaveLength(2));
  stop.abort();
  expect(await waiting).toBe('closed');
  broker.apis.get(1000)!.answer = answer;
  expect(await kafka.send({ node: 7 }, echo('b'))).toBe('b v4');
  expect(broker.connections).toBe(connected);
});
