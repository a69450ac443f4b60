import { execFile } from 'node:child_process';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { RecordBuffer } from '#edge/buffer/buffer.ts';
import { openBuffer } from '#edge/buffer/thread.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { optionsFor } from '../edge/buffer/buffer-harness.ts';
import { makeBacklog } from '../edge/buffer/large-backlog.ts';
import { flag, median, mega, table } from './bench-table.ts';

/**
 * Appending JSON telemetry to the buffer beside writing and fdatasync-ing the same bytes to a plain
 * file, alternating, medians. Twice: a sync for each delivery, which is what a source without a group
 * commit would do; and a sync for as many records as are outstanding here, which no source could know.
 * Then what a backlog costs in memory and in opening time.
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

/** A machine's readings as JSON: names that repeat, numbers that drift and jitter. */
function telemetry(size: number, n: number): Buffer {
  const reading: { [name: string]: string | number } = {
    ...{ machine: `press-${n % 50}`, at: 1_750_000_000_000 + n * 37 },
  };
  for (let i = 0; ; i++) {
    const text = JSON.stringify(reading);
    if (text.length >= size - 18) return Buffer.from(text);
    const value = 20 + i + 5 * Math.sin(n / 50 + i) + Math.random();
    reading[`sensor${i}`] = Math.round(value * 1000) / 1000;
  }
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
      const grouped: number[] = [];
      const single: number[] = [];
      // A sync takes its time: fewer of them say as much.
      const singles = Math.min(count, each * 4_000);
      for (let round = 0; round < rounds; round++) {
        ours.push(await append(pool, each, count, outstanding));
        grouped.push(plain(pool, Math.min(each * outstanding, pool.length), count));
        single.push(plain(pool, each, singles));
      }
      const own = count / median(ours);
      const perDelivery = singles / median(single);
      const perGroup = count / median(grouped);
      rows.push({
        records: `${size} B, ${each} a delivery`,
        'M records/s': mega(own * 1000, 2),
        'MB/s': ((own * size) / 1000).toFixed(0),
        'file, sync a delivery': mega(perDelivery * 1000, 3),
        'ratio ': (own / perDelivery).toFixed(1),
        'file, sync a group': mega(perGroup * 1000, 2),
        ratio: (own / perGroup).toFixed(2),
      });
    }
  }
  table(rows);
}

/** A process of its own that opens the buffer and works on it for a while. */
async function measure(path: string): Promise<{ openMs: number; rss: number }> {
  const child = fileURLToPath(new URL('../edge/buffer/memory-child.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [child, path]);
  return JSON.parse(stdout);
}

async function backlog(): Promise<void> {
  const path = join(folder, 'backlog.db');
  const empty = await measure(join(folder, 'empty.db'));
  await makeBacklog(optionsFor(path, { maxBytes: 2 ** 40 }), gib * 1024 * mebibyte);
  const full = await measure(path);
  table([
    {
      'backlog GiB': gib,
      'RSS empty MiB': (empty.rss / mebibyte).toFixed(0),
      'RSS with it MiB': (full.rss / mebibyte).toFixed(0),
      'opened empty ms': empty.openMs.toFixed(0),
      'opened with it ms': full.openMs.toFixed(0),
    },
  ]);
}

await appends();
await backlog();
rmSync(folder, { recursive: true });
