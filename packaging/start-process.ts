import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { systemClock } from '#shared/std/clock.ts';
import { serviceEnvironment, serviceFlags, sourceFlags } from './node-flags.ts';

export interface Stoppable {
  /** Orderly; resolves when it has ended. */
  stop(): Promise<void>;
  kill(): void;
}

/** One of our programs as a child process: its ready line, its log in a file, its end. */
export interface Child extends Stoppable {
  name: string;
  pid: number;
  /** The ready line. */
  ready: { status: string; link?: string; sources?: { name: string; address: string }[] };
  /** Resolves when it has ended, with what a person should be told; empty after an orderly stop. */
  ended: Promise<string>;
}

const run = ['run', '--stop-with-input', '--config'];

const checkout = fileURLToPath(new URL('..', import.meta.url));

/** Ended before it was ready; the message is what it said last. */
export class StartError extends Error {
  override name = 'StartError';
}

export interface ChildOptions {
  name: string;
  program: 'edge' | 'central';
  settings: string;
  logFile: string;
  /** What it waits for before it is ready, each said once. */
  onWait?: (words: string) => void;
}

/**
 * Resolves when the program is ready, rejects with a {@link StartError} when it ends before. It
 * gets a process group of its own: Ctrl-C reaches only us, and we stop edges before central. Should
 * we be killed, its standard input ends and it stops.
 */
export async function startChild(
  options: ChildOptions,
  onSpawn: (child: Stoppable) => void,
): Promise<Child> {
  const { name, program, settings, logFile, onWait } = options;
  const log = createWriteStream(logFile, { flags: 'a' });
  const child = spawn(
    process.execPath,
    [...sourceFlags, ...serviceFlags, `${checkout}${program}/main.ts`, ...run, settings],
    {
      ...{ stdio: ['pipe', 'pipe', 'pipe'], detached: true },
      env: { ...process.env, ...serviceEnvironment },
    },
  );
  let isStarting = true;
  const said = new Set<string>();
  const words = plainWords(child, log, (line) => {
    const wait = isStarting ? waitWords(line) : undefined;
    if (wait === undefined || said.has(wait)) return;
    said.add(wait);
    onWait?.(wait);
  });
  const exit = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`${name} cannot be started: ${error.message}`));
    child.once('close', (code, signal) => resolve(code === 0 ? '' : words(name, code ?? signal)));
  });
  exit.finally(() => log.end());
  const stoppable: Stoppable = {
    async stop() {
      child.kill('SIGTERM');
      const waiting = new AbortController();
      const late = systemClock.sleep(stopPatienceMs, waiting.signal).then(
        () => child.kill('SIGKILL'),
        () => {},
      );
      await exit;
      waiting.abort();
      await late;
    },
    kill: () => void child.kill('SIGKILL'),
  };
  onSpawn(stoppable);
  const ready = await Promise.race([readyLine(child), exit]);
  isStarting = false;
  if (typeof ready === 'string') throw new StartError(ready || `${name} ended at once`);
  return { name, pid: child.pid!, ready, ended: exit, ...stoppable };
}

function readyLine(child: ChildProcess): Promise<Child['ready']> {
  return new Promise((resolve) => {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (line.includes('"ready":true')) resolve(JSON.parse(line) as Child['ready']);
    });
  });
}

const warningLevel = 40;
/** The log adds the words of an error's cause, with which ours end as it is. */
const saidTwice = /(: .+)\1$/;

/** Of one line of a log, in words for a person. */
export function waitWords(line: string): string | undefined {
  try {
    const { level, msg, err } = JSON.parse(line) as {
      level?: number;
      msg?: string;
      err?: { message?: string };
    };
    if (level !== warningLevel || msg === undefined) return undefined;
    return err?.message === undefined ? msg : `${msg}: ${err.message.replace(saidTwice, '$1')}`;
  } catch {
    return undefined;
  }
}

/** Longer than any of our programs takes to stop in order. */
const stopPatienceMs = 20_000;
const wordsMax = 20;

/** Standard error goes to the log file; what is not JSON there is meant for a person: kept. */
function plainWords(child: ChildProcess, log: WriteStream, onLog: (line: string) => void) {
  const kept: string[] = [];
  createInterface({ input: child.stderr! }).on('line', (line) => {
    log.write(`${line}\n`);
    if (line.startsWith('{')) {
      onLog(line);
      return;
    }
    kept.push(line);
    if (kept.length > wordsMax) kept.shift();
  });
  return (name: string, reason: number | string | null): string =>
    [`${name} ended (${reason}):`, ...kept.map((line) => `  ${line}`)].join('\n');
}
