import { type CounterRates, type Reading, ratio, words } from './host-reading.ts';
import type { HostTree } from './host-tree.ts';

/** proc(5), /proc/stat: ticks since boot; `guest` is within `user` already, so it is left out. */
const states = ['user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal'] as const;
type Ticks = Record<(typeof states)[number], number>;

/** Key `cpu`: shares of all cores' time since the last reading, and the load. */
export async function readCpu(
  tree: HostTree,
  rates: CounterRates,
  atMs: number,
): Promise<Reading[]> {
  const [stat, loadavg, uptime] = await Promise.all([
    tree.text('proc/stat'),
    tree.text('proc/loadavg'),
    tree.text('proc/uptime'),
  ]);
  const fields = { ...cpuShares(stat, rates, atMs), ...load(loadavg) };
  const readings: Reading[] = [];
  if (Object.keys(fields).length > 0) readings.push({ key: 'cpu', kind: 'cpu', fields });
  const uptimeSeconds = Number(words(uptime ?? '')[0] || Number.NaN);
  if (Number.isFinite(uptimeSeconds)) {
    readings.push({ key: 'uptime', kind: 'uptime', fields: { uptimeSeconds } });
  }
  return readings;
}

function cpuShares(stat: string | undefined, rates: CounterRates, atMs: number): Reading['fields'] {
  const lines = stat?.split('\n') ?? [];
  const ticks = ticksOf(lines.find((line) => line.startsWith('cpu ')));
  if (ticks === undefined) return {};
  const cores = lines.filter((line) => /^cpu\d/.test(line)).length;
  // iowait is known to go back a little (proc(5)).
  const since = rates.since('cpu', ticks, atMs, true);
  if (since === undefined) return { cores };
  const by = since.by as Ticks;
  const total = states.reduce((sum, state) => sum + by[state], 0);
  if (total === 0) return { cores };
  return {
    cores,
    utilisationRatio: ratio(total - by.idle - by.iowait, total),
    userRatio: ratio(by.user + by.nice, total),
    systemRatio: ratio(by.system + by.irq + by.softirq, total),
    iowaitRatio: ratio(by.iowait, total),
    stealRatio: ratio(by.steal, total),
  };
}

function ticksOf(line: string | undefined): Ticks | undefined {
  if (line === undefined) return undefined;
  const numbers = words(line).slice(1).map(Number);
  return Object.fromEntries(states.map((state, i) => [state, numbers[i] || 0])) as Ticks;
}

function load(loadavg: string | undefined): Reading['fields'] {
  const match = /^([\d.]+) ([\d.]+) ([\d.]+) /.exec(loadavg ?? '');
  if (match === null) return {};
  const [load1, load5, load15] = match.slice(1).map(Number) as [number, number, number];
  return { load1, load5, load15 };
}
