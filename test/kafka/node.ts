import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, copyFileSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Guard } from './guard.ts';
import { clusterId, type Jars, logging, quick } from './jars.ts';

export interface NodeOptions {
  id: number;
  /** Of its clients' plain listener; of its controller's where it is nothing else. */
  port: number;
  folder: string;
  jars: Jars;
  guard: Guard;
  properties: { readonly [name: string]: string };
  heapMb: number;
  /** The JVM's usual compilers, for measuring; by default it starts fast and stays simple. */
  fullSpeed: boolean;
  /** Where its log is, when not in `folder`: a small file system for a full disk. */
  data?: string;
}

/** One Kafka process. */
export class KafkaNode {
  readonly id: number;
  readonly port: number;
  readonly data: string;
  readonly #options: NodeOptions;
  readonly #log: string;
  #child: ChildProcess | undefined;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.id = options.id;
    this.port = options.port;
    this.#log = join(options.folder, 'log');
    this.data = options.data ?? join(options.folder, 'data');
    mkdirSync(this.data, { recursive: true });
    this.#format();
    this.#configure();
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** What it wrote in all its runs, the last 64 KiB. */
  get log(): string {
    return readFileSync(this.#log, { encoding: 'utf8', flag: 'a+' }).slice(-65_536);
  }

  /** Resolves when it serves; rejects with its log when it does not come up. */
  async start(): Promise<void> {
    if (this.#child) return;
    const { jars, folder, guard, heapMb, fullSpeed } = this.#options;
    const log = openSync(this.#log, 'a');
    const from = readFileSync(this.#log).length;
    const jvm = [
      `-Xms${Math.min(64, heapMb)}m`,
      `-Xmx${heapMb}m`,
      ...(fullSpeed ? ['-XX:+UseG1GC'] : [...quick, `-XX:SharedArchiveFile=${jars.archive}`]),
      // Kafka's own scripts do this too: a broker without memory ends instead of limping.
      '-XX:+ExitOnOutOfMemoryError',
      ...logging(jars.line),
    ];
    const args = ['-cp', jars.classpath, 'kafka.Kafka', join(folder, 'server.properties')];
    const child = spawn('java', [...jvm, ...args], {
      cwd: folder,
      stdio: ['ignore', log, log],
      detached: true,
    });
    closeSync(log);
    child.unref();
    guard.watch(child);
    this.#child = child;
    child.once('exit', () => {
      if (this.#child === child) this.#child = undefined;
    });
    await this.#serving(child, from);
  }

  /** An orderly end: leaders move away first. */
  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    return this.#end(signal);
  }

  /** Answers nobody and closes nothing, like a machine whose network is gone. */
  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (!child) return;
    const ended = once(child, 'exit');
    child.ref();
    child.kill(signal);
    if (signal !== 'SIGKILL') child.kill('SIGCONT');
    const patience = new AbortController();
    const slow = sleep(30_000, 'slow', { signal: patience.signal }).catch(() => 'ended');
    if ((await Promise.race([ended, slow])) === 'slow') child.kill('SIGKILL');
    patience.abort();
    await ended;
  }

  async #serving(child: ChildProcess, from: number): Promise<void> {
    const deadline = performance.now() + 60_000;
    for (;;) {
      const log = readFileSync(this.#log).subarray(from).toString();
      if (log.includes('Kafka Server started')) return;
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`Kafka node ${this.id} ended while it started:\n${log.slice(-8_192)}`);
      }
      if (performance.now() > deadline) {
        throw new Error(`Kafka node ${this.id} does not come up:\n${log.slice(-8_192)}`);
      }
      await sleep(25);
    }
  }

  /** What `kafka-storage format` does, without a JVM for it: 1 to 2 s of CPU less a node. */
  #format(): void {
    const lines = [
      'version=1',
      `cluster.id=${clusterId}`,
      `node.id=${this.id}`,
      // Any other than the few reserved ones, and never the same twice in a cluster.
      `directory.id=x${randomBytes(16).toString('base64url').slice(1, 21)}A`,
    ];
    writeFileSync(join(this.data, 'meta.properties'), `${lines.join('\n')}\n`);
    copyFileSync(this.#options.jars.bootstrap, join(this.data, 'bootstrap.checkpoint'));
  }

  #configure(): void {
    const properties = { ...this.#options.properties, 'log.dirs': this.data };
    const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}`);
    writeFileSync(join(this.#options.folder, 'server.properties'), `${lines.join('\n')}\n`);
  }
}
