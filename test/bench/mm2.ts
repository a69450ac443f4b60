import { systemClock } from '#shared/std/clock.ts';
import {
  countRecords,
  type Filling,
  fillTopic,
  latencies,
  startBenchKafka,
} from './bench-kafka.ts';
import { type Mirror, mirrors, waitLanded } from './bench-mirrors.ts';
import { cpuSeconds, memoryMb, peakMemoryMb } from './bench-processes.ts';
import { flag, median, percentile, table } from './bench-table.ts';

/**
 * The same topics from a site's broker to central's: MirrorMaker 2 in dedicated mode, as it is and
 * tuned, and an edge (every record synced to its disk) with central; turn about, medians. The brokers
 * are not counted, and told apart.
 * `npm run bench -- mm2 [--megabytes 60] [--rounds 1] [--windows 5] [--seconds 6] [--only Tributary]`;
 * `--rounds 0` leaves out what is carried as fast as it goes, `--windows 0` the steady load.
 */
const megabytes = flag('megabytes', 60);
const rounds = flag('rounds', 1);
const seconds = flag('seconds', 6);
const windowsEach = flag('windows', 5);
const warmUpSeconds = 8;
/** Of a run, before it is measured: by then the JVM has compiled what it runs most. */
const warmUpShare = 0.3;
const perSecond = 1000;
const only = process.argv.indexOf('--only');
const contenders = Object.entries(mirrors).filter(
  ([name]) => only < 0 || process.argv[only + 1] === name,
);

const site = await startBenchKafka();
const central = await startBenchKafka();
let runs = 0;
const alias = () => `site-${runs++}`;

interface Run {
  seconds: number;
  cpu: number;
  brokersCpu: number;
  /** MiB: resident since the start, at most; proportional to shares while carrying, at most. */
  resident: number;
  shared: number;
  records: number;
}

for (const partitions of rounds > 0 ? [1, 10] : []) {
  const rows: { [column: string]: string | number }[] = [];
  for (const bytes of [100, 1024]) {
    for (const compression of ['none', 'zstd'] as const) {
      const records = Math.round((megabytes * 1e6) / (bytes + 100) / 1000) * 1000;
      const topic = `load-${bytes}-${compression}-${partitions}`;
      rows.push(...(await compare({ topic, partitions, records, bytes, compression })));
    }
  }
  console.log(`\n${partitions} partition(s):`);
  table(rows);
}
if (windowsEach > 0) {
  console.log(`\n${perSecond} records/s, produced to readable at central, 1 partition:`);
  table(await steadily());
}
await site.close();
await central.close();

async function compare(filling: Filling) {
  await fillTopic(site, filling);
  const byName = new Map<string, Run[]>(contenders.map(([name]) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, start] of contenders) {
      byName.get(name)!.push(await carry(filling, start));
    }
  }
  await site.admin.deleteTopic(filling.topic);
  return [...byName].map(([name, all]) => rowOf(filling, name, all));
}

function rowOf({ bytes, compression }: Filling, name: string, all: readonly Run[]) {
  const middle = (of: (run: Run) => number) => median(all.map(of));
  const rate = middle(({ records, seconds }) => records / seconds);
  return {
    topic: `${bytes} B, ${compression}`,
    by: name,
    'records/s': Math.round(rate),
    'MB/s': ((rate * bytes) / 1e6).toFixed(1),
    'CPU s/M': middle(({ cpu, records }) => cpu / (records / 1e6)).toFixed(2),
    'brokers CPU s/M': middle(({ brokersCpu, records }) => brokersCpu / (records / 1e6)).toFixed(2),
    'peak MB': middle(({ resident }) => resident).toFixed(0),
    'peak while carrying MB': middle(({ shared }) => shared).toFixed(0),
  };
}

async function carry(filling: Filling, start: (typeof mirrors)[string]): Promise<Run> {
  const { topic, records } = filling;
  const settings = { site, central, alias: alias(), topic };
  const mirror = await start(settings);
  const memory = watchMemory(mirror);
  const brokers = [site.pid, central.pid];
  const sample = () => ({
    at: systemClock.monotonic(),
    cpu: cpuSeconds(mirror.pids),
    brokers: cpuSeconds(brokers),
  });
  const warm = await waitLanded(mirror, records * warmUpShare);
  const before = sample();
  await waitLanded(mirror, records);
  const after = sample();
  const shared = memory();
  const resident = peakMemoryMb(mirror.pids);
  await mirror.stop();
  await assertLanded(`${settings.alias}.${topic}`, records);
  return {
    ...{ resident, shared, records: records - warm },
    seconds: (after.at - before.at) / 1000,
    cpu: after.cpu - before.cpu,
    brokersCpu: after.brokers - before.brokers,
  };
}

/** Answers the most so far, and ends. */
function watchMemory({ pids }: Mirror): () => number {
  let peak = 0;
  const look = () => {
    peak = Math.max(peak, memoryMb(pids));
  };
  const stop = systemClock.every(500, look);
  return () => {
    stop();
    look();
    return peak;
  };
}

async function assertLanded(topic: string, records: number): Promise<void> {
  const landed = await countRecords(central, topic);
  if (landed !== records) throw new Error(`${topic} has ${landed} records, not ${records}`);
  await central.admin.deleteTopic(topic);
}

interface Window {
  p50: number;
  p99: number;
  max: number;
  cpu: number;
}

/** All run; only one of them has something to do at a time. */
async function steadily() {
  const all = [];
  for (const [name, start] of contenders) all.push({ name, ...(await startSteady(start)) });
  const windows = new Map<string, Window[]>(all.map(({ name }) => [name, []]));
  for (let round = 0; round < windowsEach; round++) {
    for (const { name, measure } of all) windows.get(name)!.push(await measure(seconds));
  }
  const rows = all.map(({ name, mirror }) => {
    const middle = (of: (window: Window) => number) =>
      median(windows.get(name)!.map(of)).toFixed(1);
    return {
      by: name,
      'p50 ms': middle(({ p50 }) => p50),
      'p99 ms': middle(({ p99 }) => p99),
      'max ms': middle(({ max }) => max),
      'CPU, % of a core': middle(({ cpu }) => cpu),
      'memory MB': memoryMb(mirror.pids).toFixed(0),
    };
  });
  for (const { mirror } of all) await mirror.stop();
  return rows;
}

async function startSteady(start: (typeof mirrors)[string]) {
  const topic = `steady-${runs}`;
  await fillTopic(site, { topic, partitions: 1, records: 1, bytes: 100, compression: 'none' });
  const settings = { site, central, alias: alias(), topic };
  const mirror = await start(settings);
  await waitLanded(mirror, 1);
  const target = { kafka: central, topic: `${settings.alias}.${topic}` };
  const measure = async (seconds: number): Promise<Window> => {
    const cpu = cpuSeconds(mirror.pids);
    const found = await latencies({ kafka: site, topic }, target, { perSecond, seconds });
    return {
      p50: percentile(found, 0.5),
      p99: percentile(found, 0.99),
      max: Math.max(...found),
      cpu: (100 * (cpuSeconds(mirror.pids) - cpu)) / seconds,
    };
  };
  await measure(warmUpSeconds);
  return { mirror, measure };
}
