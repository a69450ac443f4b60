import {
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RecordBuffer } from '#edge/buffer/buffer.ts';
import { openBuffer } from '#edge/buffer/thread.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { flag, median, mega, table } from './bench-table.ts';

/**
 * Appending JSON telemetry to the buffer beside writing and fdatasync-ing the same bytes to a plain
 * file in groups of as many records as are outstanding here; alternating, medians. Then, with
 * `--gib N`, what a backlog of that size costs in memory and in opening time.
 * `npm run bench -- buffer [--records 400000] [--rounds 3] [--gib 0.5]`
 */
const recordsFlag = flag('records', 400_000);
const rounds = flag('rounds', 3);
const gib = flag('gib', 0.5);
const folder = mkdtempSync(join(tmpdir(), 'tributary-bench-'));
const mebibyte = 1024 * 1024;

const open = (path: string): Promise<RecordBuffer> =>
  openBuffer(
    {
      ...{ path, alias: 'factory-a', maxBytes: 1e12, whenFull: 'drop-oldest', compression: 'zstd' },
      topics: new Map(),
    },
    { clock: systemClock, log: silentLog },
  );

function telemetry(size: number, n: number): Buffer {
  const text = `{"sensor":"oven-${n % 50}","n":${n},"celsius":${(20 + (n % 97) / 7).toFixed(3)}`;
  const noise = Array.from({ length: Math.ceil(size / 20) }, () =>
    Math.random().toString(36).slice(2, 12),
  ).join('');
  return Buffer.from(
    `${text},"pad":"${noise.padEnd(size, ' ').slice(0, size - text.length - 9)}"}`,
  );
}

/** Records that both sides take, so that making them is not measured. */
const poolOf = (size: number) =>
  Array.from({ length: 10_000 }, (_, n) => ({
    ...{ key: Buffer.from(`oven-${n % 50}`), value: telemetry(size, n), headers: [] },
    timestamp: systemClock.now(),
  }));
type Pool = ReturnType<typeof poolOf>;

/** Deliveries of `each` records, with so many outstanding that a group commit can carry them. */
async function append(pool: Pool, each: number, count: number, outstanding: number) {
  const path = join(folder, `buffer-${systemClock.monotonic()}.db`);
  const buffer = await open(path);
  const since = systemClock.monotonic();
  let sent = 0;
  const lane = async () => {
    while (sent < count) {
      const at = sent % pool.length;
      sent += each;
      await buffer.append({ topic: 'sensor-data', records: pool.slice(at, at + each) });
    }
  };
  await Promise.all(Array.from({ length: outstanding }, lane));
  const took = systemClock.monotonic() - since;
  await buffer.close();
  rmSync(path);
  return took;
}

function plain(pool: Pool, group: number, count: number): number {
  const path = join(folder, 'plain');
  const fd = openSync(path, 'w');
  const since = systemClock.monotonic();
  for (let sent = 0; sent < count; sent += group) {
    const at = sent % pool.length;
    writeSync(
      fd,
      Buffer.concat(pool.slice(at, at + group).flatMap(({ key, value }) => [key, value])),
    );
    fdatasyncSync(fd);
  }
  const took = systemClock.monotonic() - since;
  closeSync(fd);
  rmSync(path);
  return took;
}

async function appends(): Promise<void> {
  const rows = [];
  for (const size of [100, 1024]) {
    const pool = poolOf(size);
    for (const [each, outstanding] of [
      [1, 2000],
      [100, 40],
      [1000, 4],
    ] as const) {
      const count = Math.round(recordsFlag / (size === 100 ? 1 : 4));
      const ours: number[] = [];
      const theirs: number[] = [];
      for (let round = 0; round < rounds; round++) {
        ours.push(await append(pool, each, count, outstanding));
        theirs.push(plain(pool, Math.min(each * outstanding, pool.length), count));
      }
      rows.push({
        records: `${size} B, ${each} a delivery`,
        'M records/s': mega((count / median(ours)) * 1000, 2),
        'MB/s': ((count * size) / median(ours) / 1000).toFixed(0),
        'plain file M records/s': mega((count / median(theirs)) * 1000, 2),
        ratio: (median(theirs) / median(ours)).toFixed(2),
      });
    }
  }
  table(rows);
}

async function backlog(): Promise<void> {
  const path = join(folder, 'backlog.db');
  const rss = () => process.memoryUsage.rss() / mebibyte;
  const opening = async () => {
    const since = systemClock.monotonic();
    const buffer = await open(path);
    return { buffer, took: systemClock.monotonic() - since };
  };
  const pool = poolOf(1024);
  const first = await opening();
  for (let n = 0; n < 20; n++) {
    await first.buffer.append({ topic: 'sensor-data', records: pool.slice(0, 1000) });
  }
  const empty = rss();
  let most = empty;
  while (statSync(path).size < gib * 1024 * mebibyte) {
    await first.buffer.append({ topic: 'sensor-data', records: pool.slice(0, 2000) });
    most = Math.max(most, rss());
  }
  await first.buffer.close();
  const again = await opening();
  await again.buffer.close();
  table([
    {
      'backlog GiB': gib,
      'RSS before MiB': empty.toFixed(0),
      'RSS at most MiB': most.toFixed(0),
      'opened empty ms': first.took.toFixed(0),
      'opened with it ms': again.took.toFixed(0),
    },
  ]);
}

await appends();
await backlog();
rmSync(folder, { recursive: true });
