import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database } from 'better-sqlite3';
import type { BufferOptions, RecordBuffer } from '#edge/buffer/buffer.ts';
import { openMemoryDatabase } from '#edge/buffer/file.ts';
import { openInlineBuffer } from '#edge/buffer/inline.ts';
import { openBuffer } from '#edge/buffer/thread.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import type { BufferHarness } from '../../contract/buffer.ts';

const clock = systemClock;

export const optionsFor = (path: string, changes: Partial<BufferOptions> = {}): BufferOptions => ({
  path,
  alias: 'factory-a',
  maxBytes: 32 * 1024 * 1024,
  whenFull: 'drop-oldest',
  topics: new Map([['*', { partitions: 1 }]]),
  compression: 'zstd',
  ...changes,
});

export async function temporaryFolder(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'tributary-buffer-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

type Open = (options: BufferOptions) => Promise<RecordBuffer>;

export const openThread: Open = (options) => openBuffer(options, { clock, log: silentLog });
export const openInline: Open = (options) => openInlineBuffer(options, { clock });

/** Over a file. A crash cannot be had within one process: it is a close. See crash.test.ts. */
export async function fileHarness(
  open: Open,
  changes?: Partial<BufferOptions>,
): Promise<BufferHarness> {
  const folder = await temporaryFolder();
  let options = optionsFor(join(folder.path, 'sub', 'buffer.db'), changes);
  const reopen = async (more: Partial<BufferOptions> = {}) => {
    await harness.buffer.close();
    options = { ...options, ...more };
    harness.buffer = await open(options);
  };
  const harness = {
    buffer: await open(options),
    get options() {
      return options;
    },
    reopen,
    crash: () => reopen(),
    async dispose() {
      await harness.buffer.close();
      await folder.remove();
    },
  };
  return harness;
}

/** Over a database in memory, which a crash leaves as it is. */
export async function memoryHarness(
  changes?: Partial<BufferOptions>,
): Promise<BufferHarness & { database: Database }> {
  const database = openMemoryDatabase();
  let options = optionsFor(':memory:', changes);
  const open = () => openInlineBuffer(options, { clock, database });
  const harness = {
    database,
    buffer: await open(),
    get options() {
      return options;
    },
    async reopen(more: Partial<BufferOptions> = {}) {
      await harness.buffer.close();
      options = { ...options, ...more };
      harness.buffer = await open();
    },
    async crash() {
      harness.buffer = await open();
    },
    dispose: () => harness.buffer.close(),
  };
  return harness;
}
