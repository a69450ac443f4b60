import { type CounterRates, type Reading, rounded, words } from './host-reading.ts';
import type { HostTree } from './host-tree.ts';

/**
 * Keys `network:<interface>`. Left out: loopback, the host ends of containers' cables (they come
 * and go by the hundred), and interfaces that never moved a byte.
 */
export async function readNetwork(
  tree: HostTree,
  rates: CounterRates,
  atMs: number,
): Promise<Reading[]> {
  // Below `self`, since ProcSubset=pid hides /proc/net.
  const text = (await tree.text('proc/self/net/dev')) ?? '';
  const lines = text.split('\n').map(parseLine);
  return Promise.all(
    lines
      .filter((line) => line !== undefined)
      .map(async ({ name, counters }) => {
        const state = await tree.text(`sys/class/net/${name}/operstate`);
        const since = rates.since(`network:${name}`, counters, atMs);
        const fields = {
          interface: name,
          ...(state ? { state } : {}),
          receivedBytes: counters.receivedBytes,
          sentBytes: counters.sentBytes,
          receiveErrors: counters.receiveErrors,
          sendErrors: counters.sendErrors,
          receiveDrops: counters.receiveDrops,
          sendDrops: counters.sendDrops,
          ...(since && perSecond(since.by as NetworkCounters, since.seconds)),
        };
        return { key: `network:${name}`, kind: 'network', fields };
      }),
  );
}

type NetworkCounters = NonNullable<ReturnType<typeof parseLine>>['counters'];

/** proc(5), /proc/net/dev: `eth0: bytes packets errs drop fifo frame compressed multicast …`. */
function parseLine(line: string) {
  const match = /^\s*(\S+):(.*)$/.exec(line);
  const name = match?.[1];
  if (!name || name === 'lo' || name.startsWith('veth')) return undefined;
  const columns = words(match[2]!).map(Number);
  const at = (column: number) => columns[column] || 0;
  const counters = {
    receivedBytes: at(0),
    receivedPackets: at(1),
    receiveErrors: at(2),
    receiveDrops: at(3),
    sentBytes: at(8),
    sentPackets: at(9),
    sendErrors: at(10),
    sendDrops: at(11),
  };
  return counters.receivedBytes + counters.sentBytes === 0 ? undefined : { name, counters };
}

const perSecond = (by: NetworkCounters, seconds: number) => ({
  receivedBytesPerSecond: Math.round(by.receivedBytes / seconds),
  sentBytesPerSecond: Math.round(by.sentBytes / seconds),
  receivedPacketsPerSecond: rounded(by.receivedPackets / seconds, 1),
  sentPacketsPerSecond: rounded(by.sentPackets / seconds, 1),
});
