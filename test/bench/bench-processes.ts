import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** What processes cost, from /proc (proc(5)): each by its id, threads included. */

const clockTicksPerSecond = 100;

/** User and system time so far. */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Behind the name, which may hold anything: utime and stime are fields 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / clockTicksPerSecond;
}

/** The most that each ever had resident, in all. Pages that two share count twice. */
export const peakMemoryMb = (pids: readonly number[]): number =>
  sum(pids.map((pid) => kilobytes(`/proc/${pid}/status`, 'VmHWM') / 1024));

/** Resident now; a page that n processes share counts 1/n in each. */
export const memoryMb = (pids: readonly number[]): number =>
  sum(pids.map((pid) => kilobytes(`/proc/${pid}/smaps_rollup`, 'Pss') / 1024));

export const threads = (pids: readonly number[]): number =>
  sum(pids.map((pid) => readdirSync(`/proc/${pid}/task`).length));

/** Established TCP connections by the port at the other end. */
export function connections(pids: readonly number[]): Map<number, number> {
  const byPort = new Map<number, number>();
  for (const pid of pids) {
    const own = new Set(socketsOf(pid));
    for (const line of ['tcp', 'tcp6'].flatMap((file) => lines(`/proc/${pid}/net/${file}`))) {
      const [, , remote, state, , , , , , inode] = line.trim().split(/\s+/);
      if (state !== '01' || !own.has(inode!)) continue;
      const port = Number.parseInt(remote!.split(':')[1]!, 16);
      byPort.set(port, (byPort.get(port) ?? 0) + 1);
    }
  }
  return byPort;
}

function socketsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
    } catch {
      // Closed since the folder was read.
      return [];
    }
  });
}

const lines = (file: string): string[] => readFileSync(file, 'utf8').split('\n').slice(1);

function kilobytes(file: string, name: string): number {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(file, 'utf8'));
  if (!found) throw new Error(`${file} has no ${name}`);
  return Number(found[1]);
}

const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0);
