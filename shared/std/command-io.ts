import { fstatSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import type { Clock } from './clock.ts';

/** What a command has of the world around it, so that tests can be that world. */
export interface CommandIo {
  stdin: Readable;
  /** Size of standard input where it is a file, bytes; null where nobody knows. */
  stdinBytes: number | null;
  stderr: Writable & { isTTY?: boolean; columns?: number };
  /** One line (or more) of result on standard output. */
  out(text: string): void;
  /** The same on standard error. */
  err(text: string): void;
  /** Standard output for much data: resolves when there is room for more. */
  write(chunk: string | Uint8Array): Promise<void>;
  clock: Clock;
  /** Calls for each signal that asks the program to do something. Returns the way to stop it. */
  onSignal(listener: (signal: Signal) => void): () => void;
}

export type Signal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

/** The terminal's own, for main.ts. */
export function processIo(clock: Clock): CommandIo {
  const { stdin, stdout, stderr } = process;
  return {
    stdin,
    stdinBytes: inputBytes(),
    stderr,
    out: (text) => void stdout.write(`${text}\n`),
    err: (text) => void stderr.write(`${text}\n`),
    write: (chunk) =>
      new Promise((resolve, reject) => {
        if (stdout.write(chunk, (error) => error && reject(error))) resolve();
        else stdout.once('drain', resolve);
      }),
    clock,
    onSignal(listener) {
      const signals: Signal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
      for (const signal of signals) process.on(signal, listener);
      return () => {
        for (const signal of signals) process.off(signal, listener);
      };
    },
  };
}

function inputBytes(): number | null {
  try {
    const stat = fstatSync(0);
    return stat.isFile() ? stat.size : null;
  } catch {
    return null;
  }
}
