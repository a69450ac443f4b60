import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFailed, onTestFinished } from 'vitest';
import { serviceEnvironment, serviceFlags, sourceFlags } from '../../packaging/node-flags.ts';

/** Edge and central as the processes they are in the field. */

const checkout = fileURLToPath(new URL('../..', import.meta.url));
const node = join(checkout, 'node_modules/.bin/node');
const flags = [...sourceFlags, ...serviceFlags];
const keptLogChars = 400_000;
const shownLogLines = 40;

export interface Ready {
  status: string;
  link?: string;
  sources?: { name: string; address: string }[];
}

export interface Said {
  code: number | null;
  out: string;
  err: string;
}

/** A run of a command until it ends: what it printed, and its exit code. */
export function runCommand(
  program: 'edge' | 'central',
  words: readonly string[],
  env: { readonly [name: string]: string } = {},
): Promise<Said> {
  const script = join(checkout, program, 'main.ts');
  return new Promise((resolve) => {
    const options = { env: { ...process.env, ...env }, timeout: 60_000 };
    const child = execFile(node, [...flags, script, ...words], options, (_, out, err) =>
      resolve({ code: child.exitCode, out, err }),
    );
    child.stdin?.end();
  });
}

/** One program over one settings file; may be started again and again. */
export class Program {
  readonly name: string;
  readonly settings: string;
  readonly program: 'edge' | 'central';
  /** Standard error of all its runs. */
  log = '';
  /** How long it may take to be ready. */
  startTimeoutMs = 60_000;
  /** Ends that nobody asked for. */
  readonly crashes: string[] = [];
  #child: ChildProcess | undefined;
  #exited: Promise<number | null> = Promise.resolve(0);
  #ready: Ready | undefined;
  #asked = true;

  constructor(name: string, program: 'edge' | 'central', settings: string) {
    this.name = name;
    this.program = program;
    this.settings = settings;
  }

  /** Its newest ready line. */
  get ready(): Ready {
    if (!this.#ready) throw new Error(`${this.name} was never ready:\n${this.log}`);
    return this.#ready;
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  /** Resolves when it is ready; rejects when it ends before. */
  async start(): Promise<Ready> {
    const child = this.#spawn();
    const ready = new Promise<Ready>((resolve) => {
      createInterface({ input: child.stdout! }).on('line', (line) => {
        if (line.startsWith('{"ready":true')) resolve(JSON.parse(line) as Ready);
      });
    });
    const ended = this.#exited.then((code) => {
      throw new Error(`${this.name} ended with ${code} before it was ready:\n${this.tail()}`);
    });
    ended.catch(() => {});
    const late = AbortSignal.timeout(this.startTimeoutMs);
    const silent = new Promise<never>((_, reject) => {
      const message = `${this.name} said nothing for ${this.startTimeoutMs / 1000} s:\n${this.tail()}`;
      late.addEventListener('abort', () => reject(new Error(message)));
    });
    silent.catch(() => {});
    this.#ready = await Promise.race([ready, ended, silent]);
    return this.#ready;
  }

  #spawn(): ChildProcess {
    const script = join(checkout, this.program, 'main.ts');
    const child = spawn(node, [...flags, script, 'run', '--config', this.settings], {
      env: { ...process.env, ...serviceEnvironment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stderr.on('data', (text: Buffer) => {
      this.log = (this.log + text).slice(-keptLogChars);
    });
    this.#child = child;
    this.#asked = false;
    this.#exited = new Promise((resolve) => {
      child.once('error', (error) => {
        this.log += String(error);
        resolve(null);
      });
      child.once('close', (code, signal) => {
        if (!this.#asked) this.crashes.push(`${this.name} ended by itself: ${code ?? signal}`);
        resolve(code);
      });
    });
    return child;
  }

  /** Ends it without a word, as a power cut would. */
  async kill(): Promise<void> {
    await this.#signal('SIGKILL');
  }

  /** An orderly end; answers the exit code. */
  async stop(): Promise<number | null> {
    await this.#signal('SIGTERM');
    return this.#exited;
  }

  async #signal(signal: NodeJS.Signals): Promise<void> {
    this.#asked = true;
    this.#child?.kill(signal);
    await this.#exited;
  }

  tail(): string {
    return this.log.split('\n').slice(-shownLogLines).join('\n');
  }
}

/** A temporary folder and the programs that live in it; all end with the test that opened it. */
export class House {
  readonly folder = mkdtempSync(join(tmpdir(), 'tributary-system-'));
  readonly #programs: Program[] = [];

  constructor(end: 'with the test' | 'closed by hand' = 'with the test') {
    if (end === 'closed by hand') return;
    onTestFailed(() => this.print());
    onTestFinished(() => this.close());
  }

  /** Writes the settings anew at each call: what they say counts from the next start on. */
  central(settings: CentralSettings = {}, name = 'central'): Program {
    return this.#program(name, 'central', centralToml(this.folder, settings));
  }

  edge(settings: EdgeSettings, name = settings.alias): Program {
    return this.#program(name, 'edge', edgeToml(join(this.folder, name), settings));
  }

  #program(name: string, program: 'edge' | 'central', toml: string): Program {
    const file = join(this.folder, `${name}.toml`);
    writeFileSync(file, toml);
    const made = new Program(name, program, file);
    this.#programs.push(made);
    return made;
  }

  /** Where the state of an edge is; it is there before the first start. */
  stateOf(name: string): string {
    const folder = join(this.folder, name);
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  get crashes(): string[] {
    return this.#programs.flatMap(({ crashes }) => crashes);
  }

  print(): void {
    for (const program of this.#programs) {
      console.log(`--- last words of ${program.name} ---\n${program.tail()}`);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.kill()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface CentralSettings {
  expect?: string[];
  heartbeatInterval?: string;
  offlineAfter?: string;
  /** Brokers; default: lands in a file. */
  kafka?: string;
  /** Lines within [landing]. */
  landingMore?: string;
  /** Where it listens for edges and for people; default: where there is room. */
  listen?: { link: number; status: number };
  /** More lines, at the end. */
  more?: string;
}

function centralToml(folder: string, settings: CentralSettings): string {
  const { expect = [], heartbeatInterval = '500ms', offlineAfter = '2s', more = '' } = settings;
  const { listen = { link: 0, status: 0 }, landingMore = '' } = settings;
  const landing =
    settings.kafka === undefined
      ? `type = "embedded"\npath = ${JSON.stringify(join(folder, 'central/central.db'))}`
      : `type = "kafka"\nbrokers = ${JSON.stringify(settings.kafka.split(','))}`;
  return `[link]
listen = "127.0.0.1:${listen.link}"
heartbeat_interval = "${heartbeatInterval}"
[status]
listen = "127.0.0.1:${listen.status}"
[landing]
${landing}
${landingMore}
[fleet]
expect = ${JSON.stringify(expect)}
offline_after = "${offlineAfter}"
[[flow]]
into = "sensor-data"
from = ["*.sensor-data"]
${more}
`;
}

export interface EdgeSettings {
  alias: string;
  /** Address of central, or of each collector; none: it keeps what it has. */
  central?: string | readonly string[];
  maxBytes?: string;
  /** Lines within [central], [buffer]. */
  linkMore?: string;
  bufferMore?: string;
  /** More lines, at the end: topics and sources. An http source is always there. */
  more?: string;
}

function edgeToml(state: string, settings: EdgeSettings): string {
  const { alias, central, maxBytes = '1GiB', linkMore, bufferMore, more } = settings;
  return `alias = "${alias}"
[central]
${central === undefined ? '' : `url = ${JSON.stringify(central)}`}
request_timeout = "3s"
${linkMore ?? ''}
[buffer]
path = ${JSON.stringify(join(state, 'buffer.db'))}
max_bytes = "${maxBytes}"
${bufferMore ?? ''}
[status]
listen = "127.0.0.1:0"
[[source]]
type = "http"
name = "http"
listen = "127.0.0.1:0"
${more ?? ''}
`;
}

/** Where an edge takes records over HTTP. */
export const httpOf = (edge: Program): string =>
  edge.ready.sources!.find(({ name }) => name === 'http')!.address;
