import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Kafka } from '#shared/kafka/kafka.ts';
import { openKafka } from '#shared/kafka/open-kafka.ts';
import { openRecords } from '#shared/kafka/open-records.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { readBatchHeader } from '#shared/wire/record-batch.ts';
import { startKafka, type TestKafka } from '../kafka/kafka.ts';
import { telemetry } from './bench-telemetry.ts';

/** A broker as operators run it, and a client of it for the bench itself. */
export interface BenchKafka extends Pick<Kafka, 'admin' | 'reads' | 'close'> {
  readonly bootstrap: string;
  readonly port: number;
  readonly pid: number;
  /** The folder of its topics. */
  readonly data: string;
}

export async function startBenchKafka(): Promise<BenchKafka> {
  const cluster: TestKafka = await startKafka({ heapMb: 1024, fullSpeed: true });
  const settings = { brokers: [cluster.bootstrap], clientId: 'bench' };
  const kafka = openKafka(settings, { log: silentLog });
  const [broker] = cluster.brokers;
  return {
    ...{ admin: kafka.admin, reads: kafka.reads },
    ...{ bootstrap: cluster.bootstrap, port: broker!.port, pid: broker!.pid! },
    data: broker!.data,
    close: async () => {
      await kafka.close();
      await cluster.close();
    },
  };
}

export interface Filling {
  topic: string;
  partitions: number;
  records: number;
  bytes: number;
  compression: 'none' | 'zstd';
}

/** A topic of telemetry, in batches of 16 KB as the Java producer makes them by default. */
export async function fillTopic(kafka: BenchKafka, filling: Filling): Promise<void> {
  const { topic, partitions, records, bytes, compression } = filling;
  await kafka.admin.createTopic({ topic, partitions, replicationFactor: 1, configs: {} });
  const producer = kcatProducer(kafka, topic, [`compression.codec=${compression}`]);
  const linesAtOnce = 1000;
  for (let n = 0; n < records; ) {
    const lines: string[] = [];
    for (const end = Math.min(records, n + linesAtOnce); n < end; n++) {
      lines.push(`oven-${n % 50}\t${telemetry(bytes, n)}\n`);
    }
    if (!producer.stdin.write(lines.join(''))) await once(producer.stdin, 'drain');
  }
  await ended(producer);
}

/** Lines `key TAB value` on its standard input. */
function kcatProducer(kafka: BenchKafka, topic: string, settings: readonly string[]) {
  const args = ['-P', '-b', kafka.bootstrap, '-t', topic, '-K', '\t'];
  const batches = ['batch.size=16384', 'queue.buffering.max.messages=10000000'];
  const all = [...batches, ...settings].flatMap((setting) => ['-X', setting]);
  return spawn('kcat', [...args, ...all], { stdio: ['pipe', 'inherit', 'inherit'] });
}

async function ended(producer: ReturnType<typeof kcatProducer>): Promise<void> {
  producer.stdin.end();
  const [code] = await once(producer, 'close');
  if (code !== 0) throw new Error(`kcat ended with ${code}`);
}

/** Where each partition of the topic ends for a committed reader; none while it is not there. */
export async function endsOf(kafka: BenchKafka, topic: string): Promise<number[]> {
  const [info] = await kafka.admin.topics([topic]);
  if (!info) return [];
  const places = info.partitions.map(({ partition }) => ({ topic, partition }));
  return kafka.admin.offsets(places, 'latest', 'committed');
}

/** Committed records, counted from the headers of their batches. */
export async function countRecords(kafka: BenchKafka, topic: string): Promise<number> {
  let count = 0;
  for (const [partition, end] of (await endsOf(kafka, topic)).entries()) {
    for (let offset = 0; offset < end; ) {
      const [answer] = await kafka.reads.fetch([{ topic, partition, offset }], {
        ...{ maxWaitMs: 1000, maxBytes: 8_000_000, isolation: 'committed' },
      });
      if (answer!.error) throw answer!.error;
      for (const { bytes } of answer!.batches) count += readBatchHeader(bytes).count;
      offset = answer!.nextOffset;
    }
  }
  return count;
}

export interface SteadyLoad {
  perSecond: number;
  seconds: number;
}

/** Records whose values begin with the moment that they were handed to the producer. */
export async function produceSteadily(
  kafka: BenchKafka,
  topic: string,
  { perSecond, seconds }: SteadyLoad,
): Promise<void> {
  const total = perSecond * seconds;
  const producer = kcatProducer(kafka, topic, ['queue.buffering.max.ms=1']);
  const start = systemClock.monotonic();
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, ((systemClock.monotonic() - start) / 1000) * perSecond);
    let lines = '';
    for (; sent < due; sent++) lines += `oven-${sent % 50}\t${systemClock.monotonic()} ${pad}\n`;
    if (lines !== '') producer.stdin.write(lines);
    await systemClock.sleep(2);
  }
  await ended(producer);
}

/** Milliseconds from the producer at a steady rate to being readable in the remote topic. */
export async function latencies(
  source: { kafka: BenchKafka; topic: string },
  target: { kafka: BenchKafka; topic: string },
  load: SteadyLoad,
): Promise<number[]> {
  const total = load.perSecond * load.seconds;
  const found: number[] = [];
  const [begin] = await endsOf(target.kafka, target.topic);
  const reading = async () => {
    for (let offset = begin!; found.length < total; ) {
      const [answer] = await target.kafka.reads.fetch(
        [{ topic: target.topic, partition: 0, offset }],
        { maxWaitMs: 500, isolation: 'committed' },
      );
      if (answer!.error) throw answer!.error;
      const now = systemClock.monotonic();
      for (const { bytes } of answer!.batches) {
        for (const record of openRecords(bytes, { trusted: true })) {
          if (record.offset >= offset) found.push(now - Number.parseFloat(String(record.value)));
        }
      }
      offset = answer!.nextOffset;
    }
  };
  await Promise.all([produceSteadily(source.kafka, source.topic, load), reading()]);
  return found;
}

const pad = 'x'.repeat(80);
