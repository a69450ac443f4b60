import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Guard } from './guard.ts';
import { type KafkaLine, logging, quick } from './jars.ts';
import { java, javaCommand } from './java.ts';

export interface MirrorMakerOptions {
  /** The lines of `mm2.properties`. */
  properties: { readonly [name: string]: string };
  /** Only the flows into these; without, one herder for each direction of each pair. */
  clusters?: readonly string[];
  heapMb?: number;
  /** For measuring: the JVM as connect-mirror-maker.sh runs it; heapMb is 2048 there. */
  fullSpeed?: boolean;
  version?: KafkaLine;
}

/** A flow from the site into `central`, in dedicated mode; everything else as it is by default. */
export const mirrorMakerFlow = (site: string, alias: string, topics = '.*') => ({
  [`${alias}.bootstrap.servers`]: site,
  [`${alias}->central.enabled`]: 'true',
  [`${alias}->central.topics`]: topics,
});

/** For a cluster of one broker. */
export const singleReplicas = {
  'replication.factor': '1',
  'checkpoints.topic.replication.factor': '1',
  'heartbeats.topic.replication.factor': '1',
  'offset-syncs.topic.replication.factor': '1',
  'offset.storage.replication.factor': '1',
  'status.storage.replication.factor': '1',
  'config.storage.replication.factor': '1',
};

/** Apache's MirrorMaker 2 in dedicated mode, one process; gone with the test that started it. */
export interface MirrorMaker {
  readonly pid: number;
  /** What it wrote so far. */
  log(): string;
  /** SIGTERM: it commits its positions and leaves. */
  stop(): Promise<void>;
  kill(): Promise<void>;
  /** `stop`, and its files removed. */
  close(): Promise<void>;
}

/** Runs by the time it resolves; its flows take some seconds more. */
export async function startMirrorMaker(options: MirrorMakerOptions): Promise<MirrorMaker> {
  const folder = mkdtempSync(join(tmpdir(), 'mirror-maker-'));
  const guard = new Guard(folder);
  const file = join(folder, 'mm2.properties');
  const log = join(folder, 'log');
  const lines = Object.entries(options.properties).map(([name, value]) => `${name}=${value}`);
  writeFileSync(file, `${lines.join('\n')}\n`);
  const clusters = options.clusters ? ['--clusters', ...options.clusters] : [];
  const main = 'org.apache.kafka.connect.mirror.MirrorMaker';
  const { heapMb = 256, version = '4.x' } = options;
  const command = await javaCommand(main, [file, ...clusters], { heapMb, version });
  const out = openSync(log, 'a');
  const child = spawn('java', loud(options.fullSpeed ? asOperators(command) : command, version), {
    cwd: folder,
    stdio: ['ignore', out, out],
    detached: true,
  });
  closeSync(out);
  child.unref();
  guard.watch(child);
  const read = () => readFileSync(log, 'utf8');
  while (!read().includes('Kafka MirrorMaker started')) {
    if (child.exitCode !== null) {
      const said = read();
      await guard.close();
      throw new Error(`MirrorMaker ended while it started:\n${said.slice(-8_192)}`);
    }
    await sleep(50);
  }
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.ref();
    child.kill(signal);
    await ended;
  };
  return {
    pid: child.pid!,
    log: read,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    close: async () => {
      await end('SIGTERM');
      await guard.close();
    },
  };
}

/** The log at INFO. */
function loud(command: readonly string[], version: KafkaLine): string[] {
  const at = command.indexOf('-cp');
  return [...command.slice(0, at), ...logging(version), ...command.slice(at)];
}

/** Kafka's kafka-run-class.sh and connect-mirror-maker.sh instead of what makes tests short. */
function asOperators(command: readonly string[]): string[] {
  const ours = new Set(quick);
  const rest = command.filter(
    (word) => !ours.has(word) && !word.startsWith('-XX:SharedArchiveFile'),
  );
  const theirs = ['-server', '-Xms256M', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20'];
  const more = ['-XX:InitiatingHeapOccupancyPercent=35', '-XX:+ExplicitGCInvokesConcurrent'];
  return [...theirs, ...more, ...rest];
}

export interface MirrorView {
  heartbeatTopics: string[];
  checkpointTopics: string[];
  upstreamClusters: string[];
  remoteTopics: string[];
  remoteTopicsOfAlias: string[];
  /** -1: not to be reached. */
  replicationHops: number;
  groups: {
    [group: string]: { translateOffsets: MirrorOffset[]; remoteConsumerOffsets: MirrorOffset[] };
  };
}

export interface MirrorOffset {
  topic: string;
  partition: number;
  offset: number;
  metadata: string;
}

/** What Apache's `MirrorClient` and `RemoteClusterUtils` make of the cluster. */
export async function mirrorView(
  bootstrap: string,
  alias: string,
  groups: readonly string[] = [],
  client: { readonly [name: string]: string } = {},
  version: KafkaLine = '4.x',
): Promise<MirrorView> {
  const input = JSON.stringify({
    alias,
    groups,
    client: { 'bootstrap.servers': bootstrap, ...client },
  });
  return JSON.parse(await java('Mirror', [], { input, version })) as MirrorView;
}
