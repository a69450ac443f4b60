import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openKafka } from '#shared/kafka/open-kafka.ts';
import { silentLog } from '#shared/std/log.ts';
import type { WireRecord } from '#shared/wire/record.ts';
import { readBatchHeader } from '#shared/wire/record-batch.ts';
import { javaRead } from '../kafka/clients.ts';
import { startKafka } from '../kafka/kafka.ts';
import { kafkaMissing, kcatMissing } from '../kafka/missing.ts';
import { consoleConsumer, kcatRead } from '../kafka/tools.ts';
import { LightEdge } from './light-edge.ts';
import { House } from './programs.ts';

const missing = kafkaMissing ?? kcatMissing;
const publishedAt = Date.now() - 60_000;
const sent: WireRecord[] = Array.from({ length: 300 }, (_, i) => ({
  key: Buffer.from(`press-${i % 7}`),
  value: Buffer.from(`{"celsius":${i},"where":"Graz, Straße ${i}"}`),
  headers: [
    ['unit', Buffer.from('C')],
    ['line', Buffer.from(String(i))],
  ],
  timestamp: publishedAt + i,
}));

/** A cluster that one site has delivered to, sealed with zstd. */
async function landed(): Promise<{ bootstrap: string; epoch: string }> {
  const kafka = await startKafka();
  onTestFinished(() => kafka.close());
  const { bootstrap } = kafka;
  const house = new House();
  const central = house.central({ kafka: bootstrap });
  await central.start();
  const edge = await LightEdge.open({
    ...{ alias: 'factory-a', urls: [central.ready.link!], partitions: 1 },
    folder: join(house.folder, 'edge'),
  });
  onTestFinished(() => edge.close());
  await edge.buffer.append({ topic: 'sensor-data', records: sent });
  await expect.poll(() => edge.backlog(), { timeout: 30_000 }).toBe(0);
  return { bootstrap, epoch: edge.buffer.identity.epoch };
}

/** What a reader is to see of a record, as text. */
const expected = (epoch: string) =>
  sent.map(({ key, value, headers, timestamp }, i) => ({
    ...{ key: String(key), value: String(value), timestamp },
    headers: [
      ...headers.map(([name, content]) => `${name}:${content}`),
      ...['alias:factory-a', 'topic:sensor-data', `epoch:${epoch}`, `sequence:${i}`].map(
        (header) => `tributary.${header}`,
      ),
    ],
  }));

test.skipIf(missing)(
  'kcat, the console consumer and a Java consumer read remote and merged topics, headers included',
  async () => {
    const { bootstrap, epoch } = await landed();
    for (const topic of ['factory-a.sensor-data', 'sensor-data']) {
      expect([topic, await byKcat(bootstrap, topic)]).toEqual([topic, expected(epoch)]);
      expect([topic, await byJava(bootstrap, topic)]).toEqual([topic, expected(epoch)]);
      expect([topic, await byConsole(bootstrap, topic)]).toEqual([topic, expected(epoch)]);
      expect([topic, await compressionsOf(bootstrap, topic)]).toEqual([topic, ['zstd']]);
    }
  },
  180_000,
);

async function byKcat(bootstrap: string, topic: string) {
  return (await kcatRead(bootstrap, topic)).map(({ key, payload, ts, headers = [] }) => ({
    ...{ key, value: payload, timestamp: ts },
    headers: headers.flatMap((name, i) => (i % 2 === 0 ? [`${name}:${headers[i + 1]}`] : [])),
  }));
}

async function byJava(bootstrap: string, topic: string) {
  const records = await javaRead(bootstrap, { topics: [topic], isolation: 'read_committed' });
  return records.map(({ key, value, timestamp, headers }) => ({
    ...{ key: String(key), value: String(value), timestamp },
    headers: headers.map(([name, content]) => `${name}:${content}`),
  }));
}

/** As the README has it, with the key and the time. */
async function byConsole(bootstrap: string, topic: string) {
  const shown = ['headers', 'key', 'timestamp'].flatMap((name) => {
    return ['--property', `print.${name}=true`];
  });
  const isolation = ['--isolation-level', 'read_committed'];
  const out = await consoleConsumer(bootstrap, topic, sent.length, [...isolation, ...shown]);
  const lines = out.split('\n').filter((line) => line.startsWith('CreateTime:'));
  return lines.map((line) => {
    const [time, headers, key, value] = line.split('\t') as [string, string, string, string];
    const timestamp = Number(time.slice('CreateTime:'.length));
    return { key, value, timestamp, headers: headers.split(',') };
  });
}

async function compressionsOf(bootstrap: string, topic: string): Promise<string[]> {
  const kafka = openKafka({ brokers: [bootstrap], clientId: 'test' }, { log: silentLog });
  try {
    const at = [{ topic, partition: 0, offset: 0 }];
    const [answer] = await kafka.reads.fetch(at, { maxWaitMs: 100, isolation: 'committed' });
    const found = answer!.batches.map(({ bytes }) => readBatchHeader(bytes).compression);
    return [...new Set(found)];
  } finally {
    await kafka.close();
  }
}
