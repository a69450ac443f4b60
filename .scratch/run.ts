import { rmSync } from 'node:fs';
import { openBuffer } from '#edge/buffer/thread.ts';
import { openKafkaSource } from '#edge/source/kafka.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { kafkaSettings } from '../test/edge/source/kafka-world.ts';
const [bootstrap, topic, total, compression = 'zstd'] = process.argv.slice(2);
const path = `/tmp/ksource-bench/${process.pid}.db`;
const buffer = await openBuffer({ path, alias: 'factory-a', maxBytes: 4 << 30 >>> 0 || 4e9, whenFull: 'block', compression: compression as 'zstd', topics: new Map([['*', { partitions: 1 }]]) }, { clock: systemClock, log: silentLog });
const cpu0 = process.cpuUsage(); const t0 = performance.now();
const source = openKafkaSource(kafkaSettings({ connection: { brokers: [bootstrap!], tls: {}, sasl: {} }, topics: [topic!], refreshMs: 5000 }), { deliver: (d) => buffer.append(d), positions: (p) => buffer.positions(p) }, { alias: 'factory-a', clock: systemClock, random: Math.random, log: silentLog });
await source.start();
let peak = 0;
while (source.state().acceptedRecords < Number(total)) { await systemClock.sleep(20); peak = Math.max(peak, process.memoryUsage().rss); if (performance.now()-t0 > 120000) { console.log(source.state()); break; } }
const cpu = process.cpuUsage(cpu0); const s = (performance.now() - t0) / 1000;
console.log(JSON.stringify({ topic, compression, recordsPerSecond: Math.round(Number(total) / s), cpuSecondsPerMillion: ((cpu.user + cpu.system) / Number(total)).toFixed(2), user: cpu.user/1e6, sys: cpu.system/1e6, rssMiB: Math.round(peak / 2 ** 20) }));
await source.stop(); await buffer.close(); rmSync(path, { force: true });
