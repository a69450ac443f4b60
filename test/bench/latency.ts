import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsync, type MqttClient } from 'mqtt';
import { openRecords } from '#shared/kafka/open-records.ts';
import { systemClock } from '#shared/std/clock.ts';
import { startChild } from '../../packaging/start-process.ts';
import { startBenchKafka } from './bench-kafka.ts';
import { flag, percentile, table } from './bench-table.ts';

/**
 * From publishing over MQTT (QoS 1, the edge's own listener) to readable in the merged topic at
 * central, two real processes on this machine, at a steady rate: embedded, and with a Kafka of one
 * broker (read_committed). The reader of the embedded landing polls, so its own pace is part of what it
 * sees. `npm run bench -- latency [--rate 1000] [--seconds 20]`
 */
const rate = flag('rate', 1000);
const seconds = flag('seconds', 20);
const warmUpSeconds = 3;

const folder = mkdtempSync(join(tmpdir(), 'tributary-bench-'));
const settings = (name: string, toml: string) => {
  const file = join(folder, `${name}.toml`);
  writeFileSync(file, toml);
  return { name, settings: file, logFile: join(folder, `${name}.log`) };
};

/** When each message was published, as the merged topic shows them from `offset` on. */
type Read = (offset: number) => Promise<{ offset: number; value: string }[]>;

const total = rate * seconds;
const kafka = await startBenchKafka();
const rows = [
  await measure('embedded', `path = "${folder}/central.db"`, readPages),
  await measure('Kafka', `type = "kafka"\nbrokers = ["${kafka.bootstrap}"]`, () => readKafka),
];
await kafka.close();
rmSync(folder, { recursive: true });
table(rows);

async function measure(name: string, landing: string, reader: (status: string) => Read) {
  const central = await startChild(
    {
      program: 'central',
      ...settings(
        `central-${name}`,
        `[link]\nlisten = "127.0.0.1:0"\n[status]\nlisten = "127.0.0.1:0"\n` +
          `[landing]\n${landing}\n[[flow]]\ninto = "sensor-data"\nfrom = ["*.sensor-data"]\n`,
      ),
    },
    () => {},
  );
  const edge = await startChild(
    {
      program: 'edge',
      ...settings(
        `edge-${name}`,
        `alias = "factory-a"\n[central]\nurl = "${central.ready.link}"\n` +
          `[buffer]\npath = "${folder}/buffer-${name}.db"\n[status]\nlisten = "127.0.0.1:0"\n` +
          `[[source]]\ntype = "mqtt"\nlisten = "127.0.0.1:0"\n` +
          `subscribe = [{ filter = "sensors/+", topic = "sensor-data", key = "{1}" }]\n`,
      ),
    },
    () => {},
  );
  const address = edge.ready.sources!.find((source) => source.address.startsWith('mqtt'))!.address;
  const client = await connectAsync(address);
  const [latencies] = await Promise.all([watch(reader(central.ready.status)), publish(client)]);
  await client.endAsync();
  await edge.stop();
  await central.stop();
  const measured = latencies.slice(rate * warmUpSeconds);
  return {
    ...{ landing: name, 'messages/s': rate, messages: measured.length },
    'p50 ms': percentile(measured, 0.5).toFixed(1),
    'p99 ms': percentile(measured, 0.99).toFixed(1),
    'max ms': Math.max(...measured).toFixed(1),
  };
}

async function publish(client: MqttClient): Promise<void> {
  const start = systemClock.monotonic();
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, ((systemClock.monotonic() - start) / 1000) * rate);
    for (; sent < due; sent++) {
      const payload = JSON.stringify({ n: sent, at: systemClock.monotonic() });
      client.publish(`sensors/s${sent % 50}`, payload, { qos: 1 });
    }
    await systemClock.sleep(2);
  }
}

async function watch(read: Read): Promise<number[]> {
  const latencies: number[] = [];
  for (let offset = 0; latencies.length < total; ) {
    const records = await read(offset);
    const now = systemClock.monotonic();
    for (const record of records) {
      latencies.push(now - (JSON.parse(record.value) as { at: number }).at);
      offset = record.offset + 1;
    }
    await systemClock.sleep(2);
  }
  return latencies;
}

function readPages(status: string): Read {
  const base = `${status}/api/v1/topics/sensor-data/partitions/0/records`;
  return async (offset) => {
    const answer = await fetch(`${base}?offset=${offset}&limit=1000`);
    if (answer.status !== 200) return [];
    return ((await answer.json()) as { records: { offset: number; value: string }[] }).records;
  };
}

async function readKafka(offset: number): Promise<{ offset: number; value: string }[]> {
  const [answer] = await kafka.reads.fetch([{ topic: 'sensor-data', partition: 0, offset }], {
    ...{ maxWaitMs: 100, isolation: 'committed' },
  });
  // The topic is made with the first message.
  if (answer!.error) return [];
  return answer!.batches
    .flatMap(({ bytes }) => [...openRecords(bytes, { trusted: true })])
    .filter((record) => record.offset >= offset)
    .map((record) => ({ offset: record.offset, value: String(record.value) }));
}
