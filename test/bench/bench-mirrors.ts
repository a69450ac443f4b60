import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '#shared/std/clock.ts';
import { type Child, startChild } from '../../packaging/start-process.ts';
import { mirrorMakerFlow, singleReplicas, startMirrorMaker } from '../kafka/mirror-maker.ts';
import { type BenchKafka, endsOf } from './bench-kafka.ts';

/** What carries topics of a site to central, seen from outside. */
export interface Mirror {
  readonly pids: readonly number[];
  /** Records that a committed reader at central can have. */
  landed(): Promise<number>;
  stop(): Promise<void>;
}

export interface MirrorSettings {
  site: BenchKafka;
  central: BenchKafka;
  alias: string;
  topic: string;
}

export type Mirrors = { readonly [name: string]: (settings: MirrorSettings) => Promise<Mirror> };

/**
 * What those write who tune MirrorMaker 2 for throughput: large batches, several requests in flight,
 * large fetches, a task for each core.
 */
const tuned = (flow: string, target: string) => ({
  [`${flow}.tasks.max`]: '2',
  [`${flow}.consumer.max.poll.records`]: '10000',
  [`${flow}.consumer.fetch.min.bytes`]: '65536',
  [`${flow}.consumer.fetch.max.wait.ms`]: '50',
  [`${flow}.consumer.max.partition.fetch.bytes`]: '8388608',
  [`${target}.producer.batch.size`]: '1000000',
  [`${target}.producer.linger.ms`]: '20',
  [`${target}.producer.max.in.flight.requests.per.connection`]: '5',
  [`${target}.producer.buffer.memory`]: '134217728',
});

export const mirrors: Mirrors = {
  'MirrorMaker 2': (settings) => mirrorMaker(settings, {}),
  'the same, tuned': (settings) =>
    mirrorMaker(settings, {
      ...tuned(`${settings.alias}->central`, 'central'),
      'central.producer.compression.type': settings.topic.includes('zstd') ? 'zstd' : 'none',
    }),
  Tributary: tributary,
};

async function mirrorMaker(
  { site, central, alias, topic }: MirrorSettings,
  more: { readonly [name: string]: string },
): Promise<Mirror> {
  const mirror = await startMirrorMaker({
    properties: {
      clusters: `${alias}, central`,
      'central.bootstrap.servers': central.bootstrap,
      ...{ ...mirrorMakerFlow(site.bootstrap, alias, topic), ...singleReplicas, ...more },
    },
    ...{ clusters: ['central'], heapMb: 2048, fullSpeed: true },
  });
  return {
    pids: [mirror.pid],
    landed: async () => {
      const ends = await endsOf(central, `${alias}.${topic}`).catch(() => []);
      return ends.reduce((sum, end) => sum + end, 0);
    },
    stop: () => mirror.close(),
  };
}

async function tributary({ site, central, alias, topic }: MirrorSettings): Promise<Mirror> {
  const folder = mkdtempSync(join(tmpdir(), 'tributary-bench-'));
  const collector = await startCentral(folder, central.bootstrap);
  const edge = await startEdge(folder, { alias, link: collector.ready.link! }, [
    '[[source]]\ntype = "kafka"',
    `brokers = ["${site.bootstrap}"]\ntopics = ["${topic}"]`,
  ]);
  const api = `${collector.ready.status}/api/v1/checkpoints?alias=${alias}`;
  return {
    pids: [edge.pid, collector.pid],
    landed: async () => {
      const answer = (await (await fetch(api)).json()) as { checkpoints: { through: number }[] };
      return answer.checkpoints.reduce((sum, { through }) => sum + through + 1, 0);
    },
    stop: async () => {
      await edge.stop();
      await collector.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

export const startCentral = (folder: string, brokers: string): Promise<Child> =>
  start(folder, 'central', 'central', [
    '[link]\nlisten = "127.0.0.1:0"\n[status]\nlisten = "127.0.0.1:0"',
    `[landing]\ntype = "kafka"\nbrokers = ["${brokers}"]\nreplication_factor = 1`,
  ]);

export const startEdge = (
  folder: string,
  { alias, link }: { alias: string; link: string },
  lines: readonly string[],
): Promise<Child> =>
  start(folder, 'edge', alias, [
    `alias = "${alias}"\n[central]\nurl = "${link}"\n[status]\nlisten = "127.0.0.1:0"`,
    `[buffer]\npath = "${join(folder, alias)}.db"`,
    ...lines,
  ]);

function start(
  folder: string,
  program: 'edge' | 'central',
  name: string,
  lines: readonly string[],
): Promise<Child> {
  const settings = join(folder, `${name}.toml`);
  writeFileSync(settings, lines.join('\n'));
  return startChild({ name, program, settings, logFile: join(folder, `${name}.log`) }, () => {});
}

/** Resolves with what `landed` says once that is `count` or more. */
export async function waitLanded(mirror: Mirror, count: number): Promise<number> {
  for (;;) {
    const landed = await mirror.landed();
    if (landed >= count) return landed;
    await systemClock.sleep(20);
  }
}
