import { expect, onTestFinished, test } from 'vitest';
import { FakeBuffer } from '../../contract/fake-buffer.ts';
import { javaRead, javaWrite } from '../../kafka/clients.ts';
import { startKafka } from '../../kafka/kafka.ts';
import { kafkaMissing } from '../../kafka/missing.ts';
import { clientOf } from '../../shared/kafka/real-cluster.ts';
import { consumed, delivered, readToEnd, sourceAt } from './kafka-at-site.ts';

if (kafkaMissing) console.log(`Skipped: ${kafkaMissing}`);

test.skipIf(kafkaMissing)(
  'the oldest Kafka that is supported is read as the newest is: transactions, another life, a purge',
  async () => {
    const version = '3.x';
    const { bootstrap, close } = await startKafka({ version });
    onTestFinished(close);
    const kafka = clientOf(bootstrap);
    const topic = 'orders';
    const create = { do: 'create', topic, partitions: 2 } as const;
    const generate = (seed: number) =>
      ({ do: 'generate', topic, count: 300, bytes: 50, seed }) as const;
    const transactional = { 'transactional.id': 'orders', 'compression.type': 'zstd' };
    const write = (steps: Parameters<typeof javaWrite>[1]) =>
      javaWrite(bootstrap, steps, transactional, version);
    await javaWrite(bootstrap, [create], {}, version);
    await write([
      ...([{ do: 'begin' }, generate(1), { do: 'commit' }] as const),
      ...([{ do: 'begin' }, generate(2), { do: 'abort' }] as const),
      ...([{ do: 'begin' }, generate(3), { do: 'commit' }] as const),
    ]);
    const buffer = new FakeBuffer();
    const source = await sourceAt(bootstrap, buffer, { topics: [topic] });
    await readToEnd(source, kafka, topic);
    const read = await javaRead(bootstrap, { topics: [topic], version });
    expect(read).toHaveLength(600);
    expect(delivered(buffer.records)).toEqual(consumed(read));

    const before = buffer.records.length;
    await kafka.admin.deleteTopic(topic);
    await expect.poll(() => kafka.admin.topics([topic])).toEqual([]);
    await javaWrite(bootstrap, [create], {}, version);
    await write([{ do: 'begin' }, generate(4), generate(5), generate(6), { do: 'commit' }]);
    await readToEnd(source, kafka, topic);
    const anew = await javaRead(bootstrap, { topics: [topic], version });
    expect(delivered(buffer.records.slice(before))).toEqual(consumed(anew));
    expect(buffer.losses).toEqual([]);

    await source.stop();
    await write([{ do: 'begin' }, generate(7), generate(8), { do: 'commit' }]);
    const at = { topic, partition: 0 };
    const [end] = await kafka.admin.offsets([at], 'latest');
    await kafka.admin.deleteRecords([{ ...at, offset: end! - 1 }]);
    const again = await sourceAt(bootstrap, buffer, { topics: [topic] });
    await readToEnd(again, kafka, topic);
    expect(buffer.losses).toMatchObject([{ topic, partition: 0 }]);
  },
  120_000,
);
