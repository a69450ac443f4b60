import { type Logger as PinoLogger, pino } from 'pino';

export type Logger = Pick<PinoLogger, 'debug' | 'info' | 'warn' | 'error'>;

/**
 * JSON lines on standard error (standard output belongs to the ready line and to printed data).
 * Written synchronously: a crash must not take the lines that explain it. Under systemd the journal
 * stamps time and process itself, so they are left out and the level goes into its `<n>` prefix.
 */
export function openLog(name: string, level = 'info', underJournal = false): PinoLogger {
  const priority: { [level: string]: number } = { 10: 7, 20: 7, 30: 6, 40: 4, 50: 3, 60: 2 };
  return pino(
    underJournal
      ? {
          name,
          level,
          base: null,
          timestamp: false,
          hooks: {
            streamWrite: (line) =>
              `<${priority[/"level":(\d+)/.exec(line)?.[1] ?? 30] ?? 6}>${line}`,
          },
        }
      : { name, level },
    pino.destination({ fd: 2, sync: true }),
  );
}

/** For tests and for parts that were given no log. */
export const silentLog: Logger = { debug() {}, info() {}, warn() {}, error() {} };
