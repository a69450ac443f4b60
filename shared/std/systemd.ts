import { writeSync } from 'node:fs';
import { monotonicMicroseconds } from './clock.ts';

/**
 * sd_notify(3) without a compiler: Node cannot open a Unix datagram socket, so the launcher
 * (packaging/sd-launch) leaves a connected one open across exec and names it in SD_NOTIFY_FD; on
 * systemd 253 and later `OpenFile=/run/systemd/notify:sdnotify` does the same. The messages come
 * from the main process itself, as NotifyAccess=main demands.
 */
export interface Notifier {
  /** The pause between two watchdog messages, a third of WatchdogSec, ms; null: no watchdog. */
  readonly watchdogMs: number | null;
  ready(status: string): void;
  status(status: string): void;
  reloading(): void;
  stopping(status: string): void;
  watchdog(status: string): void;
  /** Asks for more time to start or stop than the unit gives. */
  extendTimeout(ms: number): void;
}

/**
 * `pid` is the own process's: the settings of another process's socket and watchdog are not ours.
 */
export function openNotifier(
  env: { readonly [name: string]: string | undefined },
  pid: number,
): Notifier {
  const fd = socketOf(env, pid);
  const send = (...lines: string[]) => fd !== undefined && write(fd, lines.join('\n'));
  const watchdogUs = Number(env.WATCHDOG_USEC ?? 0);
  const watched = watchdogUs > 0 && (env.WATCHDOG_PID ?? String(pid)) === String(pid);
  return {
    watchdogMs: watched && fd !== undefined ? watchdogUs / 3000 : null,
    ready: (status) => send('READY=1', `STATUS=${status}`),
    status: (status) => send(`STATUS=${status}`),
    reloading: () => send('RELOADING=1', `MONOTONIC_USEC=${monotonicMicroseconds()}`),
    stopping: (status) => send('STOPPING=1', `STATUS=${status}`),
    watchdog: (status) => send('WATCHDOG=1', `STATUS=${status}`),
    extendTimeout: (ms) => send(`EXTEND_TIMEOUT_USEC=${Math.round(ms * 1000)}`),
  };
}

function socketOf(
  env: { readonly [name: string]: string | undefined },
  pid: number,
): number | undefined {
  if (env.SD_NOTIFY_FD) return Number(env.SD_NOTIFY_FD);
  if (env.LISTEN_PID !== String(pid)) return undefined;
  const at = (env.LISTEN_FDNAMES ?? '').split(':').indexOf('sdnotify');
  return at < 0 ? undefined : 3 + at;
}

/**
 * The socket does not block: a message that finds no room is dropped, the next one follows soon.
 */
function write(fd: number, message: string): void {
  try {
    writeSync(fd, message.replaceAll(/[^\x20-\x7e\n]/g, '?'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
  }
}
