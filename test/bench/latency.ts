import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsync } from 'mqtt';
import { systemClock } from '#shared/std/clock.ts';
import { startChild } from '../../packaging/start-process.ts';
import { flag, percentile, table } from './bench-table.ts';

/**
 * From publishing over MQTT (QoS 1, the edge's own listener) to readable in the merged topic at
 * central, two real processes on this machine, at a steady rate. The reader polls, so its own pace is
 * part of what it sees. `npm run bench -- latency [--rate 1000] [--seconds 20]`
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

const central = await startChild(
  {
    program: 'central',
    ...settings(
      'central',
      `[link]\nlisten = "127.0.0.1:0"\n[status]\nlisten = "127.0.0.1:0"\n` +
        `[landing]\npath = "${folder}/central.db"\n` +
        `[[flow]]\ninto = "sensor-data"\nfrom = ["*.sensor-data"]\n`,
    ),
  },
  () => {},
);
const edge = await startChild(
  {
    program: 'edge',
    ...settings(
      'edge',
      `alias = "factory-a"\n[central]\nurl = "${central.ready.link}"\n` +
        `[buffer]\npath = "${folder}/buffer.db"\n[status]\nlisten = "127.0.0.1:0"\n` +
        `[[source]]\ntype = "mqtt"\nlisten = "127.0.0.1:0"\n` +
        `subscribe = [{ filter = "sensors/+", topic = "sensor-data", key = "{1}" }]\n`,
    ),
  },
  () => {},
);

const address = edge.ready.sources!.find((source) => source.address.startsWith('mqtt'))!.address;
const client = await connectAsync(address);
const total = rate * seconds;
const latencies: number[] = [];
const publishing = publish();
await read();
await publishing;
await client.endAsync();
await edge.stop();
await central.stop();
rmSync(folder, { recursive: true });

const measured = latencies.slice(rate * warmUpSeconds);
table([
  {
    'messages/s': rate,
    messages: measured.length,
    'p50 ms': percentile(measured, 0.5).toFixed(1),
    'p99 ms': percentile(measured, 0.99).toFixed(1),
    'max ms': Math.max(...measured).toFixed(1),
  },
]);

async function publish(): Promise<void> {
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

async function read(): Promise<void> {
  const base = `${central.ready.status}/api/v1/topics/sensor-data/partitions/0/records`;
  let offset = 0;
  while (latencies.length < total) {
    const answer = await fetch(`${base}?offset=${offset}&limit=1000`);
    if (answer.status === 200) {
      const now = systemClock.monotonic();
      const page = (await answer.json()) as { records: { offset: number; value: string }[] };
      for (const record of page.records) {
        latencies.push(now - (JSON.parse(record.value) as { at: number }).at);
        offset = record.offset + 1;
      }
    }
    await systemClock.sleep(2);
  }
}
