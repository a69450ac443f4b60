import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '#shared/std/clock.ts';
import type { Child } from '../../packaging/start-process.ts';
import { mirrorMakerFlow, singleReplicas, startMirrorMaker } from '../kafka/mirror-maker.ts';
import {
  type BenchKafka,
  countRecords,
  endsOf,
  fillTopic,
  produceSteadily,
  startBenchKafka,
} from './bench-kafka.ts';
import { startCentral, startEdge } from './bench-mirrors.ts';
import { connections, cpuSeconds, memoryMb, threads } from './bench-processes.ts';
import { flag, table } from './bench-table.ts';

/**
 * What twenty sites cost that send a little each: MirrorMaker 2 as one process with a flow for each,
 * and a central with an agent for each. One cluster stands for the Kafka of all sites.
 * `npm run bench -- sites [--sites 20] [--rate 50] [--seconds 20]`
 */
const sites = flag('sites', 20);
const perSecond = flag('rate', 50);
const seconds = flag('seconds', 20);
const topic = 'readings';
const aliases = Array.from({ length: sites }, (_, i) => `site-${i + 1}`);

const rows: { [column: string]: string | number }[] = [];
for (const measure of [mirrorMaker, tributary]) {
  const site = await startBenchKafka();
  const central = await startBenchKafka();
  await fillTopic(site, { topic, partitions: 1, records: 1, bytes: 100, compression: 'none' });
  await measure(site, central);
  await site.close();
  await central.close();
}
console.log(`${sites} sites, ${perSecond} records/s each:`);
table(rows);

async function mirrorMaker(site: BenchKafka, central: BenchKafka): Promise<void> {
  const flows = aliases.map((alias) => mirrorMakerFlow(site.bootstrap, alias, topic));
  const mirror = await startMirrorMaker({
    properties: {
      clusters: [...aliases, 'central'].join(', '),
      'central.bootstrap.servers': central.bootstrap,
      ...Object.assign({}, singleReplicas, ...flows),
    },
    ...{ clusters: ['central'], heapMb: 2048, fullSpeed: true },
  });
  await load(site, central, [['MirrorMaker 2, one process', [mirror.pid]]]);
  await mirror.close();
}

async function tributary(site: BenchKafka, central: BenchKafka): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tributary-bench-'));
  const collector = await startCentral(folder, central.bootstrap);
  const edges: Child[] = [];
  for (const alias of aliases) {
    const source = `[[source]]\ntype = "kafka"\nbrokers = ["${site.bootstrap}"]`;
    const lines = [source, `topics = ["${topic}"]`];
    edges.push(await startEdge(folder, { alias, link: collector.ready.link! }, lines));
  }
  await load(site, central, [
    ['Tributary at central', [collector.pid]],
    [`its ${sites} agents, together`, edges.map(({ pid }) => pid)],
    ['one agent', [edges[0]!.pid]],
  ]);
  await Promise.all(edges.map((edge) => edge.stop()));
  await collector.stop();
  rmSync(folder, { recursive: true });
}

type Part = readonly [name: string, pids: readonly number[]];

async function load(site: BenchKafka, central: BenchKafka, parts: readonly Part[]): Promise<void> {
  while ((await landedSites(central)) < sites) await systemClock.sleep(200);
  await produceSteadily(site, topic, { perSecond, seconds: 5 });
  const before = parts.map(([, pids]) => cpuSeconds(pids));
  await produceSteadily(site, topic, { perSecond, seconds });
  const after = parts.map(([, pids]) => cpuSeconds(pids));
  const internal = [await internalPartitions(central), await internalPartitions(site)];
  for (const [i, [name, pids]] of parts.entries()) {
    const open = connections(pids);
    rows.push({
      by: name,
      processes: pids.length,
      threads: threads(pids),
      "connections to the sites' Kafka": open.get(site.port) ?? 0,
      "to central's": open.get(central.port) ?? 0,
      'internal partitions at central': i === 0 ? internal[0]! : '',
      'at the site': i === 0 ? internal[1]! : '',
      'memory MB': memoryMb(pids).toFixed(0),
      'CPU, % of a core': ((100 * (after[i]! - before[i]!)) / seconds).toFixed(0),
    });
  }
  await allLanded(central, 1 + perSecond * (5 + seconds));
}

async function landedSites(central: BenchKafka): Promise<number> {
  const ends = await Promise.all(aliases.map((alias) => endsOf(central, `${alias}.${topic}`)));
  return ends.filter(([end]) => (end ?? 0) > 0).length;
}

async function allLanded(central: BenchKafka, records: number): Promise<void> {
  for (const alias of aliases) {
    while ((await countRecords(central, `${alias}.${topic}`)) < records) {
      await systemClock.sleep(200);
    }
  }
}

/** Those that hold no record of a site. */
async function internalPartitions(kafka: BenchKafka): Promise<number> {
  const topics = (await kafka.admin.topics()).filter(
    ({ internal, topic: name }) => !internal && name !== topic && !name.endsWith(`.${topic}`),
  );
  return topics.reduce((sum, { partitions }) => sum + partitions.length, 0);
}
