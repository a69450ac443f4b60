import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from './free-port.ts';

const program = ['/usr/sbin/mosquitto', '/usr/bin/mosquitto', '/usr/local/sbin/mosquitto'].find(
  existsSync,
);

/** Why tests with a real broker cannot run here; undefined when they can. */
export const mosquittoMissing = program
  ? undefined
  : 'mosquitto is not installed: apt-get install mosquitto mosquitto-clients';

if (mosquittoMissing && process.env.TRIBUTARY_REQUIRE === 'all') throw new Error(mosquittoMissing);

/** A real broker of its own, on a free loopback port, with persistence in a temporary folder. */
export class Mosquitto {
  readonly port: number;
  readonly folder: string;
  readonly #lines: readonly string[];
  #process: ChildProcess | undefined;
  /** What it wrote, for a failing test. */
  log = '';

  private constructor(port: number, folder: string, lines: readonly string[]) {
    this.port = port;
    this.folder = folder;
    this.#lines = lines;
  }

  /** `lines` are added to the settings; a line `listener …` replaces the plain one. */
  static async start(lines: readonly string[] = []): Promise<Mosquitto> {
    const broker = await Mosquitto.prepare(lines);
    await broker.start();
    return broker;
  }

  /** Has a port and a folder, but does not run yet. */
  static async prepare(lines: readonly string[] = []): Promise<Mosquitto> {
    const folder = mkdtempSync(join(tmpdir(), 'mosquitto-'));
    return new Mosquitto(await freePort(), folder, lines);
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const config = join(this.folder, 'mosquitto.conf');
    const plain = this.#lines.some((line) => line.startsWith('listener '));
    const anonymous = this.#lines.some((line) => line.startsWith('allow_anonymous'));
    const settings = [
      'persistence true',
      `persistence_location ${this.folder}/`,
      'max_queued_messages 0',
      ...(plain ? [] : [`listener ${this.port} 127.0.0.1`]),
      ...(anonymous ? [] : ['allow_anonymous true']),
      ...this.#lines.map((line) =>
        line.replaceAll('$PORT', String(this.port)).replaceAll('$FOLDER', this.folder),
      ),
    ];
    writeFileSync(config, `${settings.join('\n')}\n`);
    // Run as root it would step down to a user that cannot read the folder.
    if (process.getuid?.() === 0) writeFileSync(config, 'user root\n', { flag: 'a' });
    const child = spawn(program!, ['-c', config], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.log += chunk;
      });
    }
    this.#process = child;
    while (!(await reachable(this.port))) {
      if (child.exitCode !== null) throw new Error(`mosquitto ended at once:\n${this.log}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** An orderly end: sessions and queued messages are saved. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  /** What it acknowledged since its last save is gone: not what we answer for. */
  kill(): Promise<void> {
    return this.stop('SIGKILL');
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Publishes with mosquitto_pub; resolves when it has ended, which is after the broker's word. */
  async publish(topic: string, message: string, ...options: string[]): Promise<void> {
    await publish(this.port, ['-t', topic, '-m', message, ...options]);
  }
}

export async function publish(port: number, options: string[]): Promise<void> {
  await promisify(execFile)('mosquitto_pub', ['-h', '127.0.0.1', '-p', String(port), ...options]);
}

function reachable(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
