import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HttpTransport } from '#edge/uplink/http-transport.ts';
import { systemClock } from '#shared/std/clock.ts';
import { startChild } from '../../packaging/start-process.ts';
import { producerPerfTest } from '../kafka/tools.ts';
import { BenchEdge, valueBytes } from './bench-edge.ts';
import { startBenchKafka } from './bench-kafka.ts';
import { cpuSeconds } from './bench-processes.ts';
import { flag, median, table } from './bench-table.ts';

/**
 * Sealed segments through one collector into Kafka (remote topic, merged topic and checkpoint in one
 * transaction), beside Kafka's own producer-perf-test with transactions on the same broker: bytes of
 * records that the broker stored in its topics a second, uncompressed records of 1 KiB, alternating,
 * medians. The collector's CPU time a stored gigabyte beside it.
 * `npm run bench -- landing [--mib 192] [--rounds 3]`
 */
const bytesPerRound = flag('mib', 192) * 1024 * 1024;
const rounds = flag('rounds', 3);
const topic = 'sensor-data';
const perfTopic = 'perf';
/** What more edges send at once central would turn away for seconds: it bounds its memory. */
const atOnceMax = 64;

const kafka = await startBenchKafka();
await kafka.admin.createTopic({
  ...{ topic: perfTopic, partitions: 1, replicationFactor: 1, configs: {} },
});
const folder = mkdtempSync(join(tmpdir(), 'tributary-bench-'));
const transport = new HttpTransport();
const rows = [];
for (const edges of [1, 20, 500]) rows.push(await measure(edges));
transport.close();
await kafka.close();
rmSync(folder, { recursive: true });
table(rows);

async function measure(count: number) {
  const central = await startCentral(count);
  const edges = Array.from(
    { length: count },
    (_, i) => new BenchEdge(`n${count}-${i}`, { topic, transport }),
  );
  for (const edge of edges) await edge.open(central.ready.link!);
  // Topics are made before the clock runs.
  await Promise.all(edges.map((edge) => edge.send([edge.body(1, 1)])));
  const ours: number[] = [];
  const theirs: number[] = [];
  const cpuPerByte: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const bodies = edges.map((edge) => edge.bodies(bytesPerRound / 2 / count));
    const cpuBefore = cpuSeconds([central.pid]);
    const landed = await stored(isOurs, () => sendAll(edges, bodies));
    ours.push(landed.perSecond);
    cpuPerByte.push((cpuSeconds([central.pid]) - cpuBefore) / landed.bytes);
    theirs.push((await stored(isTheirs, perfTest)).perSecond);
  }
  await central.stop();
  return {
    edges: count,
    'ours MB/s': (median(ours) / 1e6).toFixed(0),
    'perf-test MB/s': (median(theirs) / 1e6).toFixed(0),
    ratio: (median(ours) / median(theirs)).toFixed(2),
    'collector CPU s/GB': (median(cpuPerByte) * 1e9).toFixed(1),
  };
}

async function sendAll(
  edges: readonly BenchEdge[],
  bodies: readonly Buffer[][],
): Promise<undefined> {
  const next = edges.entries();
  const sender = async () => {
    for (const [i, edge] of next) await edge.send(bodies[i]!);
  };
  await Promise.all(Array.from({ length: atOnceMax }, sender));
}

function startCentral(count: number) {
  const settings = join(folder, `central-${count}.toml`);
  writeFileSync(
    settings,
    `[link]\nlisten = "127.0.0.1:0"\n[status]\nlisten = "127.0.0.1:0"\n[landing]\n` +
      `type = "kafka"\nbrokers = ["${kafka.bootstrap}"]\nreplication_factor = 1\n` +
      `[[flow]]\ninto = "${topic}"\nfrom = ["*.${topic}"]\n`,
  );
  const logFile = join(folder, `central-${count}.log`);
  return startChild({ name: 'central', program: 'central', settings, logFile }, () => {});
}

/** One transaction after another of 100 ms, in batches as large as ours; its own time. */
async function perfTest(): Promise<number> {
  const records = Math.round(bytesPerRound / valueBytes);
  const { recordsPerSecond } = await producerPerfTest(kafka.bootstrap, {
    ...{ topic: perfTopic, records, bytes: valueBytes, transactionMs: 100, heapMb: 1024 },
    client: { acks: 'all', 'batch.size': '1000000', 'linger.ms': '5', 'compression.type': 'none' },
  });
  return (records / recordsPerSecond) * 1000;
}

/** Bytes stored meanwhile, and so many a second of the time that the task took or says it took. */
async function stored(counts: (topic: string) => boolean, task: () => Promise<number | undefined>) {
  const before = logBytes(counts);
  const since = systemClock.monotonic();
  const took = await task();
  const ms = took ?? systemClock.monotonic() - since;
  const bytes = logBytes(counts) - before;
  return { bytes, perSecond: (bytes / ms) * 1000 };
}

function logBytes(counts: (topic: string) => boolean): number {
  let bytes = 0;
  for (const partition of readdirSync(kafka.data, { withFileTypes: true })) {
    if (!partition.isDirectory() || !counts(partition.name.replace(/-\d+$/, ''))) continue;
    const log = join(kafka.data, partition.name);
    for (const file of readdirSync(log)) {
      if (file.endsWith('.log')) bytes += statSync(join(log, file)).size;
    }
  }
  return bytes;
}

function isOurs(name: string): boolean {
  return name === topic || name.endsWith(`.${topic}`);
}

function isTheirs(name: string): boolean {
  return name === perfTopic;
}
