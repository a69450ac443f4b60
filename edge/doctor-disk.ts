import {
  closeSync,
  existsSync,
  fdatasyncSync,
  openSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Clock } from '#shared/std/clock.ts';
import { showBytes } from '#shared/std/text-table.ts';
import type { Finding } from './cli-doctor.ts';
import type { EdgeConfig } from './config.ts';

/** A gateway with less than this left is about to have other troubles. */
const freeBytesMin = 256 * 2 ** 20;

/** Whether the disk has room for the buffer to reach its cap. */
export function checkDisk({ buffer }: EdgeConfig): Finding {
  const folder = nearestFolder(buffer.path);
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  const message = `${showBytes(free)} free in ${folder}, buffer may take ${showBytes(buffer.maxBytes)}`;
  if (free < freeBytesMin) {
    const advice = 'make room: with a full disk nothing can be accepted';
    return { check: 'disk', level: 'fail', message, advice };
  }
  if (free < buffer.maxBytes && !existsSync(buffer.path)) {
    const advice = `set buffer.max_bytes to what the disk has, for example "${showCap(free)}"`;
    return { check: 'disk', level: 'warn', message, advice };
  }
  return { check: 'disk', level: 'ok', message };
}

const showCap = (free: number): string => `${Math.max(1, Math.floor((free * 0.8) / 2 ** 20))}MiB`;

function nearestFolder(path: string): string {
  let folder = dirname(path);
  while (!existsSync(folder)) folder = dirname(folder);
  return folder;
}

const rounds = 20;
const blockBytes = 4096;
/** An fsync slower than this shows in every acknowledgement. */
const slowMs = 50;

/** How long the disk takes to make a block durable; each group commit waits for it once. */
export function checkFsync({ buffer }: EdgeConfig, clock: Clock): Finding {
  const folder = nearestFolder(buffer.path);
  const file = join(folder, `.tributary-doctor-${process.pid}`);
  try {
    const times = timeSyncs(file, clock);
    const median = times[Math.floor(rounds / 2)]!;
    const worst = times.at(-1)!;
    const message = `median ${median.toFixed(1)} ms, worst ${worst.toFixed(1)} ms in ${folder}`;
    if (median < slowMs) return { check: 'fsync', level: 'ok', message };
    const advice = 'each commit waits this long; a faster disk or eMMC accepts more per second';
    return { check: 'fsync', level: 'warn', message, advice };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const message = `cannot write in ${folder} (${code})`;
    const advice =
      code === 'EACCES'
        ? 'run this as the user of the agent, for example: sudo -u tributary-edge …'
        : 'the buffer lives there: make the folder writable, or set buffer.path';
    return { check: 'fsync', level: 'fail', message, advice };
  } finally {
    rmSync(file, { force: true });
  }
}

function timeSyncs(file: string, clock: Clock): number[] {
  const fd = openSync(file, 'wx', 0o600);
  try {
    const times: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const startedAt = clock.monotonic();
      writeSync(fd, Buffer.alloc(blockBytes, round));
      fdatasyncSync(fd);
      times.push(clock.monotonic() - startedAt);
    }
    return times.sort((a, b) => a - b);
  } finally {
    closeSync(fd);
  }
}
