import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FileStore } from '#central/landing/embedded-file-store.ts';
import type { Outcome } from '#central/landing/embedded-store.ts';
import { Site } from '../../contract/landing-site.ts';
import { mebibyte, temporaryFolder } from './embedded-harness.ts';

/** A disk of 96 MiB (tmpfs, which only root can mount) under a landing that may take 256 MiB. */
let folder: ReturnType<typeof temporaryFolder>;
let mounted = false;

beforeEach(() => {
  folder = temporaryFolder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=96m', 'tmpfs', folder.path], {
      stdio: 'pipe',
    });
    mounted = true;
  } catch (error) {
    if (process.env.TRIBUTARY_REQUIRE === 'all') throw error;
  }
});
afterEach(() => {
  if (mounted) execFileSync('umount', ['--lazy', folder.path]);
  mounted = false;
  folder.remove();
});

const codes = (outcomes: Outcome[]) =>
  outcomes.map((outcome) => ('error' in outcome ? outcome.error.code : 'landed'));

const openStore = () =>
  FileStore.open(
    { path: join(folder.path, 'data', 'central.db'), maxBytes: 256 * mebibyte, retentionMs: 1000 },
    () => 'c'.repeat(32),
  );

/**
 * Lands `valueBytes` at a time until something else than 'landed' comes back; how often it landed.
 */
function fill(store: FileStore, site: Site, valueBytes: number): { landed: number; code?: string } {
  for (let landed = 0; landed < 10_000; landed++) {
    const segments = [site.segment(1, { valueBytes, first: landed, topic: `t${valueBytes}` })];
    const [code] = codes(store.commitGroup([[site.write(1, { segments })]]));
    store.checkpointWal('due');
    if (code !== 'landed') return { landed, code };
  }
  return { landed: 10_000 };
}

test('a full disk refuses, keeps what it has, and goes on when retention made room', (context) => {
  if (!mounted) return context.skip('no tmpfs here: mounting one needs root');
  const store = openStore();
  expect(store.retain(1)).toBe(false);
  const site = new Site('a');
  store.commitGroup([[site.hello(1)]]);
  const large = fill(store, site, 800_000);
  expect(large.code).toBe('full');
  expect(large.landed).toBeGreaterThan(30);
  const small = fill(store, site, 100);
  expect(small.code).toBe('full');
  expect(store.load('a')?.checkpoints).toMatchObject([
    { topic: 't800000', through: large.landed - 1 },
    { topic: 't100', through: small.landed - 1 },
  ]);
  expect(store.page('t800000', 0, large.landed - 1, 1)?.batches).toHaveLength(1);

  while (store.retain(5000));
  store.checkpointWal('now');
  expect(store.topics().find(({ topic }) => topic === 't800000')?.records).toBe(0);
  const segments = [
    site.segment(1, { valueBytes: 800_000, first: large.landed, topic: 't800000' }),
  ];
  expect(codes(store.commitGroup([[site.write(6000, { segments })]]))).toEqual(['landed']);
  store.probe();
  store.close();
});

test('a full disk loses nothing over a restart, and goes on when there is room', (context) => {
  if (!mounted) return context.skip('no tmpfs here: mounting one needs root');
  mkdirSync(join(folder.path, 'data'));
  const ballast = join(folder.path, 'ballast');
  writeFileSync(ballast, Buffer.alloc(30 * mebibyte));
  const first = openStore();
  const site = new Site('a');
  first.commitGroup([[site.hello(1)]]);
  const { landed } = fill(first, site, 400_000);
  first.close();
  const second = openStore();
  const through = () => second.load('a')?.checkpoints[0]?.through;
  expect(through()).toBe(landed - 1);
  rmSync(ballast);
  const segments = [site.segment(1, { valueBytes: 400_000, first: landed, topic: 't400000' })];
  expect(codes(second.commitGroup([[site.write(1, { segments })]]))).toEqual(['landed']);
  second.close();
});
