import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FileStore } from '#central/landing/embedded-file-store.ts';
import { Site } from '../../contract/landing-site.ts';
import { mebibyte, temporaryFolder } from './embedded-harness.ts';

test('all its files together stay under max_bytes, and give room back, whatever lands', () => {
  const folder = temporaryFolder();
  const maxBytes = 128 * mebibyte;
  const store = FileStore.open(
    { path: join(folder.path, 'central.db'), maxBytes, retentionMs: 1000 },
    () => 'c'.repeat(32),
  );
  const onDisk = () =>
    readdirSync(folder.path).reduce((sum, name) => sum + statSync(join(folder.path, name)).size, 0);
  const site = new Site('a');
  store.commitGroup([[site.hello(1)]]);
  let most = 0;
  for (let i = 0; i < 40; i++) {
    const segments = Array.from({ length: 9 }, () => site.segment(1, { valueBytes: 900_000 }));
    const [outcome] = store.commitGroup([[site.write(i, { segments })]]);
    expect(outcome).toHaveProperty('landed');
    store.checkpointWal('due');
    if (i % 4 === 0) store.retain(i);
    most = Math.max(most, onDisk());
    expect(store.usedBytes()).toBeLessThanOrEqual(maxBytes);
  }
  expect(most).toBeLessThan(maxBytes + mebibyte);
  expect(most).toBeGreaterThan(maxBytes / 2);
  while (store.retain(5000)) most = Math.max(most, onDisk());
  expect(most).toBeLessThan(maxBytes + mebibyte);
  store.close();
  expect(onDisk()).toBeLessThan(30 * mebibyte);
  folder.remove();
}, 60_000);

test('giving room back moves what stays, and the WAL does not grow with it', () => {
  const folder = temporaryFolder();
  const path = join(folder.path, 'central.db');
  const store = FileStore.open({ path, maxBytes: 1024 * mebibyte, retentionMs: 1000 }, () =>
    'c'.repeat(32),
  );
  const site = new Site('a');
  store.commitGroup([[site.hello(1)]]);
  for (const [at, commits] of [
    [1, 20],
    [5000, 12],
  ] as const) {
    for (let i = 0; i < commits; i++) {
      const segments = Array.from({ length: 9 }, () => site.segment(1, { valueBytes: 900_000 }));
      store.commitGroup([[site.write(at, { segments })]]);
      store.checkpointWal('due');
    }
  }
  let wal = 0;
  while (store.retain(5500)) wal = Math.max(wal, statSync(`${path}-wal`).size);
  expect(wal).toBeLessThan(48 * mebibyte);
  store.close();
  expect(statSync(path).size).toBeLessThan(170 * mebibyte);
  folder.remove();
}, 60_000);
