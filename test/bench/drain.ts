import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  cpSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openBuffer } from '#edge/buffer/thread.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { startChild } from '../../packaging/start-process.ts';
import { flag, median, mega, table } from './bench-table.ts';
import { telemetry } from './bench-telemetry.ts';

/**
 * Draining a backlog from edge to central (two processes; durable at central in the remote and in the
 * merged topic) beside reading the very same file and posting it in 1 MiB pieces to a program that
 * throws it away, and to one that appends and fdatasyncs it. Alternating, medians.
 * `npm run bench -- drain [--records 3000000] [--rounds 3]`
 */
const records = flag('records', 3_000_000);
const rounds = flag('rounds', 3);
const folder = mkdtempSync(join(tmpdir(), 'tributary-bench-'));

async function makeBacklog(path: string, size: number, compression: 'zstd' | 'none') {
  const options = { path, alias: 'factory-a', maxBytes: 1e11, compression };
  const buffer = await openBuffer(
    { ...options, whenFull: 'drop-oldest', topics: new Map() },
    { clock: systemClock, log: silentLog },
  );
  const count = Math.round((records * 100) / size);
  for (let n = 0; n < count; ) {
    const batch = Array.from({ length: Math.min(2000, count - n) }, () => ({
      key: Buffer.from(`oven-${n % 50}`),
      value: telemetry(size, n++),
      headers: [],
      timestamp: systemClock.now(),
    }));
    await buffer.append({ topic: 'sensor-data', records: batch });
  }
  await buffer.close();
  return count;
}

async function drain(path: string, count: number): Promise<number> {
  const at = mkdtempSync(join(folder, 'run-'));
  const file = (name: string, toml: string) => {
    writeFileSync(join(at, name), toml);
    return { settings: join(at, name), logFile: join(at, `${name}.log`) };
  };
  cpSync(path, join(at, 'buffer.db'));
  const central = await startChild(
    {
      ...{ name: 'central', program: 'central' },
      ...file(
        'central.toml',
        `[link]\nlisten = "127.0.0.1:0"\n[status]\nlisten = "127.0.0.1:0"\n[landing]\n` +
          `path = "${at}/central.db"\n[[flow]]\ninto = "sensor-data"\nfrom = ["*.sensor-data"]\n`,
      ),
    },
    () => {},
  );
  const edge = await startChild(
    {
      ...{ name: 'edge', program: 'edge' },
      ...file(
        'edge.toml',
        `alias = "factory-a"\n[central]\nurl = "${central.ready.link}"\n[buffer]\n` +
          `path = "${at}/buffer.db"\n[status]\nlisten = "127.0.0.1:0"\n`,
      ),
    },
    () => {},
  );
  // From the first that is seen to land: starting two programs is not draining.
  let since: { at: number; landed: number } | undefined;
  let landed = 0;
  while (landed < count) {
    await systemClock.sleep(10);
    const answer = await fetch(`${central.ready.status}/api/v1/topics`);
    const { topics } = (await answer.json()) as { topics: { topic: string; records: number }[] };
    landed = topics.find(({ topic }) => topic === 'sensor-data')?.records ?? 0;
    if (landed > 0) since ??= { at: systemClock.monotonic(), landed };
  }
  const took = (systemClock.monotonic() - since!.at) / (1 - since!.landed / count);
  await edge.stop();
  await central.stop();
  rmSync(at, { recursive: true });
  return took;
}

async function post(path: string, sinkFile: string | undefined): Promise<number> {
  const sink = fileURLToPath(new URL('./bench-sink.ts', import.meta.url));
  const child = spawn(process.execPath, [sink, ...(sinkFile ? [sinkFile] : [])], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await ready(child);
  const agent = new http.Agent({ keepAlive: true });
  const fd = openSync(path, 'r');
  const since = systemClock.monotonic();
  const piece = Buffer.allocUnsafe(1024 * 1024);
  for (let read = readSync(fd, piece); read > 0; read = readSync(fd, piece)) {
    const body = piece.subarray(0, read);
    await new Promise<void>((resolve, reject) => {
      const request = http.request(url, { method: 'POST', agent }, (answer) => {
        answer.resume();
        answer.on('end', resolve);
      });
      request.on('error', reject);
      request.end(body);
    });
  }
  const took = systemClock.monotonic() - since;
  closeSync(fd);
  agent.destroy();
  child.kill();
  await once(child, 'close');
  return took;
}

function ready(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    createInterface({ input: child.stdout! }).once('line', (line) =>
      resolve((JSON.parse(line) as { url: string }).url),
    );
  });
}

const rows = [];
for (const [size, compression] of [
  [100, 'zstd'],
  [100, 'none'],
  [1024, 'zstd'],
  [1024, 'none'],
] as const) {
  const path = join(folder, `backlog-${size}-${compression}.db`);
  const count = await makeBacklog(path, size, compression);
  const ours: number[] = [];
  const plain: number[] = [];
  const synced: number[] = [];
  for (let round = 0; round < rounds; round++) {
    ours.push(await drain(path, count));
    plain.push(await post(path, undefined));
    synced.push(await post(path, join(folder, 'sink')));
  }
  const bytes = statSync(path).size;
  const rate = (ms: number) => (bytes / ms / 1000).toFixed(0);
  rows.push({
    records: `${count} × ${size} B ${compression}`,
    'file MB': (bytes / 1e6).toFixed(0),
    'M records/s': mega((count / median(ours)) * 1000, 2),
    'drained MB/s': rate(median(ours)),
    'posted MB/s': rate(median(plain)),
    'posted+synced MB/s': rate(median(synced)),
    'ratio to posted': (median(plain) / median(ours)).toFixed(2),
    'ratio to synced': (median(synced) / median(ours)).toFixed(2),
  });
  rmSync(path);
}
rmSync(folder, { recursive: true });
table(rows);
