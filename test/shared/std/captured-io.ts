import { PassThrough, Readable, Writable } from 'node:stream';
import type { Clock } from '#shared/std/clock.ts';
import { systemClock } from '#shared/std/clock.ts';
import type { CommandIo, Signal } from '#shared/std/command-io.ts';

/** A terminal for commands under test: what it shows is kept, what it types is given. */
export interface CapturedIo extends CommandIo {
  /** Standard output so far. */
  readonly output: () => string;
  readonly errors: () => string;
  signal(signal: Signal): void;
}

export interface CapturedOptions {
  input?: string | Buffer | Readable;
  clock?: Clock;
  isTerminal?: boolean;
}

export function capturedIo(options: CapturedOptions = {}): CapturedIo {
  const { input = '', clock = systemClock, isTerminal = false } = options;
  let output = '';
  let errors = '';
  const listeners = new Set<(signal: Signal) => void>();
  const sink = new Writable({
    write(chunk, _encoding, done) {
      errors += chunk;
      done();
    },
  });
  const isStream = input instanceof Readable;
  const stdin = isStream ? input : new PassThrough().end(input);
  return {
    stdin,
    stdinBytes: isStream ? null : input.length,
    stderr: Object.assign(sink, { isTTY: isTerminal, columns: 80 }),
    out(text) {
      output += `${text}\n`;
    },
    err(text) {
      errors += `${text}\n`;
    },
    async write(chunk) {
      output += chunk;
    },
    clock,
    onSignal(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    output: () => output,
    errors: () => errors,
    signal: (signal) => {
      for (const listener of listeners) listener(signal);
    },
  };
}
