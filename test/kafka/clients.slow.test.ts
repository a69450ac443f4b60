import { beforeAll, expect, test } from 'vitest';
import { javaRead, javaWrite } from './clients.ts';
import { kafkaMissing, kcatMissing } from './missing.ts';
import { sharedKafka, unique } from './shared.ts';
import { consoleConsumer, consumerGroups, kcatRead, producerPerfTest } from './tools.ts';

const skip = test.skipIf(kafkaMissing);
let kafka: string;
beforeAll(async () => {
  if (!kafkaMissing) kafka = await sharedKafka();
}, 120_000);

const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

async function newTopic(partitions = 1): Promise<string> {
  const topic = unique('clients');
  await javaWrite(kafka, [{ do: 'create', topic, partitions }]);
  return topic;
}

skip('what the Java producer writes the Java consumer reads, byte for byte', async () => {
  const topic = await newTopic();
  const record = {
    topic,
    partition: 0,
    timestamp: 1_700_000_000_000,
    key: Buffer.from([0, 255, 128]),
    value: null,
    headers: [
      ['b', 'one'],
      ['a', null],
      ['b', Buffer.from([1, 2])],
    ],
  } as const;
  const written = await javaWrite(kafka, [record], { 'compression.type': 'zstd' });
  expect(written).toEqual([{ topic, partition: 0, offset: 0, timestamp: record.timestamp }]);
  expect(await javaRead(kafka, { topics: [topic] })).toEqual([
    {
      ...record,
      offset: 0,
      timestampType: 'CreateTime',
      headers: [
        ['b', Buffer.from('one')],
        ['a', null],
        ['b', Buffer.from([1, 2])],
      ],
    },
  ]);
});

skip('an aborted transaction is not read, however it was compressed', async () => {
  const topic = await newTopic(codecs.length);
  await Promise.all(
    codecs.map((codec, partition) => {
      const at = { topic, partition };
      const steps = [
        { do: 'begin' },
        { ...at, value: 'aborted' },
        { do: 'abort' },
        { do: 'begin' },
        { ...at, value: 'committed' },
        { do: 'commit' },
      ] as const;
      return javaWrite(kafka, steps, {
        'transactional.id': unique('writer'),
        'compression.type': codec,
      });
    }),
  );
  const values = async (isolation: 'read_committed' | 'read_uncommitted') =>
    (await javaRead(kafka, { topics: [topic], isolation })).map(({ value }) => String(value));
  expect(await values('read_committed')).toEqual(codecs.map(() => 'committed'));
  const all = codecs.flatMap(() => ['aborted', 'committed']);
  expect(await values('read_uncommitted')).toEqual(all);
}, 60_000);

skip('a group goes on exactly where it stopped', async () => {
  const topic = await newTopic(3);
  await javaWrite(kafka, [{ do: 'generate', topic, count: 300, bytes: 40 }]);
  const group = unique('group');
  const first = await javaRead(kafka, { topics: [topic], group, max: 123, commit: true });
  const rest = await javaRead(kafka, { topics: [topic], group, commit: true });
  const values = [...first, ...rest].map(({ value }) => String(value));
  expect([first.length, rest.length, new Set(values).size]).toEqual([123, 177, 300]);
  const shown = await consumerGroups(kafka, ['--describe', '--group', group]);
  expect(shown).toContain(topic);
});

skip("Kafka's console consumer and perf test run", async () => {
  const topic = await newTopic();
  const perf = await producerPerfTest(kafka, { topic, records: 1_000, bytes: 50 });
  expect(perf.records).toBe(1_000);
  const lines = await consoleConsumer(kafka, topic, 10);
  expect(lines.trim().split('\n').length).toBe(10);
});

test.skipIf(kafkaMissing ?? kcatMissing)('kcat reads keys, values and headers', async () => {
  const topic = unique('clients');
  await javaWrite(kafka, [
    { do: 'create', topic },
    { topic, key: 'k', value: 'v', headers: [['h', '1']] },
  ]);
  const [record] = await kcatRead(kafka, topic);
  expect(record).toMatchObject({ key: 'k', payload: 'v', headers: ['h', '1'] });
});
