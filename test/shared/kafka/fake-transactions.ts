import { kafkaErrorName } from '#shared/kafka/error-codes.ts';
import { readBatchHeader } from '#shared/wire/record-batch.ts';
import { answerMetadata, type FakeBroker, type FakeTopic } from './fake-broker.ts';

/** What the fake says next to each API, one after the other; then 0: no error. */
export interface FakeScript {
  init: number[];
  add: number[];
  /** A number: of all partitions. `drop` closes the connection, `leave-out` forgets one. */
  produce: (number | 'drop' | 'leave-out' | 'silent')[];
  end: (number | 'drop' | 'done-and-drop' | 'silent')[];
}

export interface FakeProduced {
  topic: string;
  partition: number;
  baseSequence: number;
  epoch: number;
  count: number;
}

export interface FakeTransactions {
  script: FakeScript;
  topics: FakeTopic[];
  produced: FakeProduced[];
  /** Partitions of each request, as `topic:partition`. */
  requests: string[][];
  added: string[];
  ended: ('commit' | 'abort')[];
  inits: number;
}

export const errorCode = (name: string): number => {
  for (let code = -1; code < 200; code++) if (kafkaErrorName(code) === name) return code;
  throw new Error(`no error ${name}`);
};

/** A broker that coordinates transactions and takes batches, as far as its script lets it. */
export function serveTransactions(broker: FakeBroker): FakeTransactions {
  const fake: FakeTransactions = {
    script: { init: [], add: [], produce: [], end: [] },
    topics: [{ topic: 'a', leaders: [7, 7, 7] }],
    produced: [],
    requests: [],
    added: [],
    ended: [],
    inits: 0,
  };
  broker.apis.set(3, {
    min: 4,
    max: 9,
    flexibleFrom: 9,
    answer: answerMetadata(() => ({ brokers: new Map([[7, broker]]), topics: fake.topics })),
  });
  serveCoordinator(broker, fake);
  serveProduce(broker, fake);
  return fake;
}

function serveCoordinator(broker: FakeBroker, fake: FakeTransactions): void {
  broker.apis.set(10, {
    min: 0,
    max: 3,
    flexibleFrom: 3,
    answer: (_, writer) => {
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
  broker.apis.set(22, {
    min: 0,
    max: 4,
    flexibleFrom: 2,
    answer: (_, writer) => {
      const code = fake.script.init.shift() ?? 0;
      writer.int32(0);
      writer.int16(code);
      writer.int64(1000);
      writer.int16(code === 0 ? fake.inits++ : -1);
      writer.tags();
      return undefined;
    },
  });
  broker.apis.set(24, {
    min: 0,
    max: 3,
    flexibleFrom: 3,
    answer: ({ body }, writer) => {
      const code = fake.script.add.shift() ?? 0;
      body.string();
      body.int64();
      body.int16();
      const topics = body.array(() => {
        const one = { topic: body.string(), partitions: body.array(() => body.int32()) };
        body.tags();
        return one;
      });
      writer.int32(0);
      writer.array(topics, ({ topic, partitions }) => {
        writer.string(topic);
        writer.array(partitions, (partition) => {
          if (code === 0) fake.added.push(`${topic}:${partition}`);
          writer.int32(partition);
          writer.int16(code);
          writer.tags();
        });
        writer.tags();
      });
      writer.tags();
      return undefined;
    },
  });
  broker.apis.set(26, {
    min: 0,
    max: 4,
    flexibleFrom: 3,
    answer: ({ body }, writer) => {
      const step = fake.script.end.shift() ?? 0;
      if (step === 'silent') return false;
      if (step === 'drop') return new Error('dropped');
      body.string();
      body.int64();
      body.int16();
      if (step === 0 || step === 'done-and-drop') {
        fake.ended.push(body.boolean() ? 'commit' : 'abort');
      }
      if (step === 'done-and-drop') return new Error('dropped');
      writer.int32(0);
      writer.int16(step);
      writer.tags();
      return undefined;
    },
  });
}

function serveProduce(broker: FakeBroker, fake: FakeTransactions): void {
  broker.apis.set(0, {
    min: 3,
    max: 9,
    flexibleFrom: 9,
    answer: ({ body }, writer) => {
      const step = fake.script.produce.shift() ?? 0;
      if (step === 'silent') return false;
      if (step === 'drop') return new Error('dropped');
      body.nullableString();
      body.int16();
      body.int32();
      const topics = body.array(() => {
        const topic = body.string();
        const partitions = body.array(() => {
          const partition = body.int32();
          const { baseSequence, producerEpoch, count } = readBatchHeader(body.blob());
          body.tags();
          return { topic, partition, baseSequence, epoch: producerEpoch, count };
        });
        body.tags();
        return partitions;
      });
      if (step === 0) fake.produced.push(...topics.flat());
      fake.requests.push(topics.flat().map(({ topic, partition }) => `${topic}:${partition}`));
      if (step === 'leave-out') topics[0]!.shift();
      writer.array(topics, (partitions) => {
        writer.string(partitions[0]?.topic ?? 'a');
        writer.array(partitions, ({ partition, baseSequence }) => {
          writer.int32(partition);
          writer.int16(step === 'leave-out' ? 0 : step);
          writer.int64(step === 0 ? 100 + baseSequence : -1);
          writer.int64(-1);
          writer.int64(0);
          writer.array([], () => {});
          writer.nullableString(step === 0 ? null : 'because');
          writer.tags();
        });
        writer.tags();
      });
      writer.int32(0);
      writer.tags();
      return undefined;
    },
  });
}
