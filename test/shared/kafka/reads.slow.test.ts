import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Connections } from '#shared/kafka/connections.ts';
import type { Fetched, FetchedBatch, Isolation } from '#shared/kafka/kafka.ts';
import { openRecords } from '#shared/kafka/open-records.ts';
import { LeaderReads } from '#shared/kafka/reads.ts';
import { systemClock } from '#shared/std/clock.ts';
import { kafkaJars } from '../../kafka/jars.ts';
import { startKafka, type TestKafka } from '../../kafka/kafka.ts';
import { kafkaMissing } from '../../kafka/missing.ts';

describe.skipIf(kafkaMissing).each(['4.x', '3.x'] as const)('batches of Kafka %s', (version) => {
  let kafka: TestKafka;
  let connections: Connections;
  let reads: LeaderReads;

  beforeAll(async () => {
    kafka = await startKafka({ version });
    const { classpath } = await kafkaJars(version);
    const program = fileURLToPath(new URL('JavaBatches.java', import.meta.url));
    await promisify(execFile)('java', ['-cp', classpath, program, kafka.bootstrap]);
    const settings = { brokers: kafka.bootstrap.split(','), clientId: 'reads' };
    connections = new Connections(settings, { clock: systemClock, random: Math.random });
    reads = new LeaderReads({ connections, requestTimeoutMs: 10_000 });
  });
  afterAll(async () => {
    await connections?.close();
    await kafka?.close();
  });

  async function round(topic: string, offset: number, isolation: Isolation): Promise<Fetched> {
    const options = { maxWaitMs: 100, isolation };
    const position = { topic, partition: 0, offset, maxBytes: 20_000 };
    const [fetched] = await reads.fetch([position], options);
    expect(fetched!.error).toBe(null);
    return fetched!;
  }

  async function all(topic: string, isolation: Isolation = 'committed') {
    const batches: FetchedBatch[] = [];
    for (let offset = 0; ; ) {
      const fetched = await round(topic, offset, isolation);
      batches.push(...fetched.batches.map((one) => ({ ...one, bytes: Buffer.from(one.bytes) })));
      if (fetched.nextOffset === offset) return { batches, end: fetched.highWatermark, offset };
      offset = fetched.nextOffset;
    }
  }

  for (const topic of ['none', 'gzip', 'snappy', 'lz4', 'zstd'].map((codec) => `codec-${codec}`)) {
    test(`${topic}: the bytes of the broker's log, and the records that Java wrote`, async () => {
      const { batches, offset } = await all(topic);
      expect(offset).toBe(500);
      const log = join(kafka.broker(1).data, `${topic}-0`, '00000000000000000000.log');
      expect(Buffer.concat(batches.map(({ bytes }) => bytes)).equals(readFileSync(log))).toBe(true);
      const records = batches.flatMap(({ bytes }) => [...openRecords(bytes)]);
      expect(records.map((record) => record.offset)).toEqual(
        Array.from({ length: 500 }, (_, i) => i),
      );
      expect(records[7]!.value).toBe(null);
      expect(records[9]!.key).toBe(null);
      expect(records[41]).toEqual({
        offset: 41,
        timestamp: 1_700_000_000_041,
        key: Buffer.from('key 1'),
        value: Buffer.from(`value 41 ${'ab'.repeat(41)}`),
        headers: [
          ['b', Buffer.from('1')],
          ['10', null],
          ['a', Buffer.alloc(0)],
          ['b', Buffer.from('ü')],
        ],
      });
    });
  }

  test('a topic with LogAppendTime gives the broker’s time', async () => {
    const { batches } = await all('log-append');
    const [record] = [...openRecords(batches[0]!.bytes)];
    expect(record!.timestamp).toBeGreaterThan(1_700_000_100_000);
  });

  test('of transactions only what was committed comes, however they interleave', async () => {
    const { batches, end, offset } = await all('transactions');
    expect(offset).toBe(end);
    const values = batches.flatMap(({ bytes }) =>
      [...openRecords(bytes)].map(({ value }) => `${value}`),
    );
    const isKept = (value: string) => value.startsWith('kept');
    expect(values.every(isKept)).toBe(true);
    const whole = await all('transactions', 'uncommitted');
    const every = whole.batches.flatMap(({ bytes }) =>
      [...openRecords(bytes)].map(({ value }) => `${value}`),
    );
    expect(values).toEqual(every.filter(isKept));
    expect(every).toHaveLength(20 * 16);
    expect(values).toHaveLength(20 * 16 - 5 * 7 - 5 * 5);
  });

  test('beyond the end, and of what is not there, it says so', async () => {
    const options = { maxWaitMs: 100, isolation: 'committed' } as const;
    const positions = [
      { topic: 'codec-none', partition: 0, offset: 501 },
      { topic: 'codec-none', partition: 7, offset: 0 },
      { topic: 'nowhere', partition: 0, offset: 0 },
      { topic: 'codec-zstd', partition: 0, offset: 500 },
    ];
    const answers = await reads.fetch(positions, options);
    expect(answers.map(({ error }) => error?.code ?? null)).toEqual([
      'out-of-range',
      'missing',
      'missing',
      null,
    ]);
  });

  test('a fetch that waits for news holds up no other request', async () => {
    const position = { topic: 'codec-none', partition: 0, offset: 500 };
    const waiting = reads.fetch([position], { maxWaitMs: 3000, isolation: 'committed' });
    const begun = performance.now();
    await connections.view.refresh(['codec-none']);
    await round('codec-zstd', 0, 'committed');
    expect(performance.now() - begun).toBeLessThan(2000);
    const [answer] = await waiting;
    expect(answer).toMatchObject({ error: null, nextOffset: 500, highWatermark: 500 });
  });

  test('another life of a topic does not answer', async () => {
    await connections.view.refresh(['codec-none']);
    const position = { topic: 'codec-none', partition: 0, offset: 0, topicId: 'ab'.repeat(16) };
    const [answer] = await reads.fetch([position], { maxWaitMs: 100, isolation: 'committed' });
    expect(answer!.error).toMatchObject({ code: 'unavailable', kafkaCode: 'UNKNOWN_TOPIC_ID' });
  });
});
