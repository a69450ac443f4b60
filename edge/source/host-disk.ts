import { type CounterRates, type Reading, ratio, rounded, words } from './host-reading.ts';
import type { HostTree } from './host-tree.ts';

/**
 * File systems on disks of this machine. Not those of the network: statfs(2) on a server that is
 * gone hangs for ever.
 */
const onDisk: ReadonlySet<string> = new Set(
  words(
    'ext2 ext3 ext4 xfs btrfs bcachefs zfs f2fs nilfs2 jfs vfat exfat ntfs3 fuseblk ubifs jffs2',
  ),
);

/** Keys `disk:<mount>`: how full; one for each device, however often it is mounted. */
export async function readDisks(tree: HostTree): Promise<Reading[]> {
  const mounts = parseMounts((await tree.text('proc/self/mounts')) ?? '');
  const readings = await Promise.all(mounts.map((mount) => readMount(tree, mount)));
  return readings.flat();
}

interface Mount {
  device: string;
  mount: string;
  filesystem: string;
}

function parseMounts(text: string): Mount[] {
  const byDevice = new Map<string, Mount>();
  for (const line of text.split('\n')) {
    const [device, mount, filesystem] = words(line).map(unescapeOctal);
    if (device === undefined || mount === undefined || filesystem === undefined) continue;
    const root = filesystem === 'overlay' && mount === '/';
    // A container's /etc/hosts and the like are single files of the machine's disk.
    if (!root && (!onDisk.has(filesystem) || mount.startsWith('/etc/'))) continue;
    const known = byDevice.get(device);
    if (known === undefined || mount.length < known.mount.length) {
      byDevice.set(device, { device, mount, filesystem });
    }
  }
  return [...byDevice.values()].sort((a, b) => (a.mount < b.mount ? -1 : 1));
}

/** proc(5): a space in a name is written `\040`. */
const unescapeOctal = (text: string): string =>
  text.replaceAll(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));

async function readMount(tree: HostTree, mount: Mount): Promise<Reading[]> {
  const sizes = await tree.sizes(mount.mount);
  if (sizes === undefined || sizes.blocks === 0) return [];
  const { bsize, blocks, bfree, bavail, files, ffree } = sizes;
  const used = (blocks - bfree) * bsize;
  const available = bavail * bsize;
  const fields = {
    ...mount,
    totalBytes: blocks * bsize,
    usedBytes: used,
    availableBytes: available,
    // As df(1) has it: blocks kept for root are neither used nor available.
    usedRatio: ratio(used, used + available),
    // btrfs and vfat have no fixed number of them.
    ...(files > 0 ? { inodesUsedRatio: ratio(files - ffree, files) } : {}),
  };
  return [{ key: `disk:${mount.mount}`, kind: 'disk', fields }];
}

/** iostats.rst: a sector is 512 bytes here, whatever the device's own are. */
const sectorBytes = 512;

/** Keys `disk-io:<device>`: what whole disks read and write; those never used are left out. */
export async function readDiskIo(
  tree: HostTree,
  rates: CounterRates,
  atMs: number,
): Promise<Reading[]> {
  const [diskstats, block] = await Promise.all([
    tree.text('proc/diskstats'),
    tree.list('sys/block'),
  ]);
  const whole = new Set(block);
  const readings: Reading[] = [];
  for (const line of diskstats?.split('\n') ?? []) {
    const columns = words(line);
    const device = columns[2];
    if (device === undefined || /^(loop|ram|zram|sr|fd)\d/.test(device)) continue;
    if (whole.size > 0 && !whole.has(device.replaceAll('/', '!'))) continue;
    const at = (column: number) => Number(columns[column]) || 0;
    const counters = {
      reads: at(3),
      readBytes: at(5) * sectorBytes,
      writes: at(7),
      writtenBytes: at(9) * sectorBytes,
      busyMs: at(12),
    };
    if (counters.reads + counters.writes === 0) continue;
    const since = rates.since(`disk-io:${device}`, counters, atMs);
    readings.push({
      key: `disk-io:${device}`,
      kind: 'disk-io',
      fields: {
        device,
        readBytes: counters.readBytes,
        writtenBytes: counters.writtenBytes,
        ...(since && ioRates(since.by as typeof counters, since.seconds)),
      },
    });
  }
  return readings;
}

const ioRates = (
  by: { reads: number; readBytes: number; writes: number; writtenBytes: number; busyMs: number },
  seconds: number,
) => ({
  readsPerSecond: rounded(by.reads / seconds, 1),
  readBytesPerSecond: Math.round(by.readBytes / seconds),
  writesPerSecond: rounded(by.writes / seconds, 1),
  writtenBytesPerSecond: Math.round(by.writtenBytes / seconds),
  busyRatio: ratio(by.busyMs / 1000, seconds),
});
