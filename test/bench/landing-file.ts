import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedLanding } from '#central/landing/embedded.ts';
import type { SegmentWrite } from '#central/landing/landing.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { Site } from '../contract/landing-site.ts';
import { flag } from './bench-table.ts';

/**
 * Commits a second into the embedded landing (remote and merged topic, checkpoint) against writing and
 * fdatasync-ing the same bytes to a plain file, turn about, best of three.
 * `npm run bench -- landing-file [--mib 128]`.
 */
const mebibyte = 1024 * 1024;
const bytesPerRound = flag('mib', 128) * mebibyte;

interface Load {
  name: string;
  /** Segments of one commit, records of one segment, value bytes of one record. */
  segments: number;
  records: number;
  valueBytes: number;
  /** Commits under way at once. */
  commits: number;
}

const loads: Load[] = [
  { name: '1 segment of 512 KiB', segments: 1, records: 500, valueBytes: 850, commits: 1 },
  { name: 'the same, 8 commits at once', segments: 1, records: 500, valueBytes: 850, commits: 8 },
  { name: '8 segments of 1 MiB', segments: 8, records: 1000, valueBytes: 850, commits: 1 },
  { name: '100 segments of 1 record', segments: 100, records: 1, valueBytes: 100, commits: 1 },
  { name: 'the same, 8 commits at once', segments: 100, records: 1, valueBytes: 100, commits: 8 },
  { name: '1 record a commit, 64 at once', segments: 1, records: 1, valueBytes: 100, commits: 64 },
];

const folder = mkdtempSync(join(tmpdir(), 'tributary-bench-'));
const rows = [];
for (const load of loads) rows.push(await measure(load));
rmSync(folder, { recursive: true });
console.table(rows);

async function measure(load: Load): Promise<object> {
  const template = new Site('factory-a').segment(load.records, { valueBytes: load.valueBytes });
  const commitBytes = template.batch.length * load.segments;
  const count = Math.max(load.commits * 8, Math.min(2000, Math.ceil(bytesPerRound / commitBytes)));
  let [file, landing] = [0, 0];
  for (let round = 0; round < 3; round++) {
    file = Math.max(file, plainFile(commitBytes, count));
    landing = Math.max(landing, await embedded(load, template, count));
  }
  return {
    commit: load.name,
    'file MiB/s': Math.round((file * commitBytes) / mebibyte),
    'landing MiB/s': Math.round((landing * commitBytes) / mebibyte),
    ratio: Number((landing / file).toFixed(2)),
    'commits/s': Math.round(landing),
    'records/s': Math.round(landing * load.segments * load.records),
  };
}

/** Writes of `bytes` a second, each synced. */
function plainFile(bytes: number, count: number): number {
  const path = join(folder, 'plain');
  const file = openSync(path, 'w');
  const body = Buffer.alloc(bytes, 7);
  const start = performance.now();
  for (let i = 0; i < count; i++) {
    writeSync(file, body);
    fdatasyncSync(file);
  }
  const seconds = (performance.now() - start) / 1000;
  closeSync(file);
  rmSync(path);
  return count / seconds;
}

async function embedded(load: Load, template: SegmentWrite, count: number): Promise<number> {
  const path = join(folder, 'central.db');
  const landing = await openEmbeddedLanding(
    { path, maxBytes: 8 * 1024 * mebibyte, retentionMs: 3_600_000 },
    { clock: systemClock, log: silentLog },
  );
  const site = new Site('factory-a');
  await landing.commit([site.hello(1)]);
  let left = count;
  const writer = async () => {
    while (left-- > 0) {
      const segments = Array.from({ length: load.segments }, () =>
        site.segment(load.records, { batch: template.batch, records: [] }),
      );
      await landing.commit([site.write(systemClock.now(), { segments })]);
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: load.commits }, writer));
  const seconds = (performance.now() - start) / 1000;
  await landing.close();
  for (const suffix of ['', '-lock', '-reserve']) rmSync(path + suffix, { force: true });
  return count / seconds;
}
