import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { KafkaLine } from './jars.ts';
import { java } from './java.ts';

/** Kafka's own command line programs, through their classes, and kcat. */

/**
 * `kafka-console-consumer --from-beginning` until it has `max` records, with any other options; what
 * it printed.
 */
export async function consoleConsumer(
  bootstrap: string,
  topic: string,
  max: number,
  options: readonly string[] = [],
  version: KafkaLine = '4.x',
): Promise<string> {
  const main =
    version === '4.x'
      ? 'org.apache.kafka.tools.consumer.ConsoleConsumer'
      : 'kafka.tools.ConsoleConsumer';
  const where = ['--bootstrap-server', bootstrap, '--topic', topic, '--from-beginning'];
  const until = ['--max-messages', String(max), '--timeout-ms', '30000'];
  return java(main, [...where, ...until, ...options], { version });
}

/** MirrorMaker 2's formatters for its internal topics: a line a record. */
export function mirrorFormat(
  bootstrap: string,
  topic: string,
  what: 'Checkpoint' | 'Heartbeat' | 'OffsetSync',
  max: number,
): Promise<string> {
  const formatter = `org.apache.kafka.connect.mirror.formatters.${what}Formatter`;
  return consoleConsumer(bootstrap, topic, max, ['--formatter', formatter]);
}

/** `kafka-consumer-groups`. */
export function consumerGroups(
  bootstrap: string,
  args: readonly string[],
  version: KafkaLine = '4.x',
): Promise<string> {
  const main =
    version === '4.x'
      ? 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand'
      : 'kafka.admin.ConsumerGroupCommand';
  return java(main, ['--bootstrap-server', bootstrap, ...args], { version });
}

/** `kafka-topics`. */
export function topics(
  bootstrap: string,
  args: readonly string[],
  version: KafkaLine = '4.x',
): Promise<string> {
  const main =
    version === '4.x' ? 'org.apache.kafka.tools.TopicCommand' : 'kafka.admin.TopicCommand';
  return java(main, ['--bootstrap-server', bootstrap, ...args], { version });
}

/** `kafka-configs`. */
export function configs(
  bootstrap: string,
  args: readonly string[],
  version: KafkaLine = '4.x',
): Promise<string> {
  return java('kafka.admin.ConfigCommand', ['--bootstrap-server', bootstrap, ...args], { version });
}

/** `kafka-acls`; `client`: settings of the one who asks. */
export async function acls(
  bootstrap: string,
  args: readonly string[],
  client: { readonly [name: string]: string } = {},
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'kafka-acls-'));
  const file = join(folder, 'client.properties');
  const lines = Object.entries(client).map(([name, value]) => `${name}=${value}`);
  writeFileSync(file, `${lines.join('\n')}\n`);
  try {
    const where = ['--bootstrap-server', bootstrap, '--command-config', file];
    return await java('kafka.admin.AclCommand', [...where, ...args]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export interface PerfResult {
  records: number;
  recordsPerSecond: number;
  mbPerSecond: number;
  /** Milliseconds. */
  averageLatency: number;
  p50: number;
  p99: number;
}

/** `kafka-producer-perf-test`: unthrottled, as fast as it gets. */
export async function producerPerfTest(
  bootstrap: string,
  options: {
    topic: string;
    records: number;
    bytes: number;
    /** With it, one transaction after another of so many milliseconds. */
    transactionMs?: number;
    client?: { readonly [name: string]: string };
    heapMb?: number;
  },
): Promise<PerfResult> {
  const client = { 'bootstrap.servers': bootstrap, ...options.client };
  const out = await java(
    'org.apache.kafka.tools.ProducerPerformance',
    [
      ...['--topic', options.topic, '--num-records', String(options.records)],
      ...['--record-size', String(options.bytes), '--throughput', '-1'],
      ...(options.transactionMs
        ? ['--transaction-duration-ms', String(options.transactionMs)]
        : []),
      ...['--producer-props', ...Object.entries(client).map(([name, value]) => `${name}=${value}`)],
    ],
    { heapMb: options.heapMb ?? 512, timeoutMs: 600_000 },
  );
  const last =
    /(\d+) records sent, ([\d.]+) records\/sec \(([\d.]+) MB\/sec\), ([\d.]+) ms avg.*?(\d+) ms 50th.*?(\d+) ms 99th/g;
  const found = [...out.matchAll(last)].at(-1);
  if (!found) throw new Error(`no result in what ProducerPerformance printed:\n${out}`);
  const [records, recordsPerSecond, mbPerSecond, averageLatency, p50, p99] = found
    .slice(1)
    .map(Number) as [number, number, number, number, number, number];
  return { records, recordsPerSecond, mbPerSecond, averageLatency, p50, p99 };
}

/** librdkafka's command line client; what it printed. */
export async function kcat(bootstrap: string, args: readonly string[]): Promise<string> {
  const options = { maxBuffer: 1 << 28, timeout: 60_000 };
  return (await promisify(execFile)('kcat', ['-b', bootstrap, ...args], options)).stdout;
}

export interface KcatRecord {
  topic: string;
  partition: number;
  offset: number;
  ts: number;
  key: string | null;
  payload: string | null;
  /** Name, value, name, value … */
  headers?: (string | null)[];
}

/** All records of a topic as kcat's JSON shows them, `read_committed` unless said otherwise. */
export async function kcatRead(
  bootstrap: string,
  topic: string,
  isolation: 'read_committed' | 'read_uncommitted' = 'read_committed',
): Promise<KcatRecord[]> {
  const args = ['-C', '-q', '-J', '-e', '-t', topic, '-o', 'beginning'];
  const out = await kcat(bootstrap, [...args, '-X', `isolation.level=${isolation}`]);
  return out
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as KcatRecord);
}
