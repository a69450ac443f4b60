import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedLanding, openInlineLanding } from '#central/landing/embedded.ts';
import { openMemoryDatabase } from '#central/landing/embedded-open.ts';
import type { Landing } from '#central/landing/landing.ts';
import { silentLog } from '#shared/std/log.ts';
import type { LandingHarness } from '../../contract/landing-bench.ts';
import { Random } from '../../sim/random.ts';
import { MachineClock, VirtualTime } from '../../sim/virtual-clock.ts';

export const mebibyte = 1024 * 1024;

export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'tributary-landing-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Virtual time that a test moves. */
export function testClock() {
  const time = new VirtualTime();
  const clock = new MachineClock(time, 1_800_000_000_000);
  const advance = (ms: number): void => {
    const until = time.now + ms;
    while (time.step(until));
  };
  return { clock, advance };
}

/**
 * On a thread, over a real file. Its death is tested with a real process: embedded-
 * kill.slow.test.ts.
 */
export async function openThread(options: { retentionMs: number }): Promise<LandingHarness> {
  const folder = temporaryFolder();
  const { clock, advance } = testClock();
  const open = () =>
    openEmbeddedLanding(
      { path: join(folder.path, 'central.db'), maxBytes: 256 * mebibyte, ...options },
      { clock, log: silentLog },
    );
  let landing: Landing = await open();
  const reopen = async () => {
    await landing.close();
    landing = await open();
  };
  return {
    get landing() {
      return landing;
    },
    now: () => clock.now(),
    advance,
    reopen,
    crash: reopen,
    close: async () => {
      await landing.close();
      folder.remove();
    },
  };
}

/** In this thread, over a database in memory that outlives the landing; fails where told to. */
export async function openInline(options: { retentionMs: number }): Promise<LandingHarness> {
  const database = openMemoryDatabase();
  const { clock, advance } = testClock();
  const random = new Random(1);
  let stepsLeft = Number.POSITIVE_INFINITY;
  const step = () => {
    if (stepsLeft-- === 0) throw new Error('the process died');
  };
  const open = () =>
    openInlineLanding(
      database,
      { maxBytes: 256 * mebibyte, step, ...options },
      { clock, log: silentLog, newId: random.id },
    );
  let landing = open();
  const reopen = async () => {
    await landing.close();
    stepsLeft = Number.POSITIVE_INFINITY;
    landing = open();
  };
  return {
    get landing() {
      return landing;
    },
    now: () => clock.now(),
    advance,
    reopen,
    crash: reopen,
    failAt: (n) => {
      stepsLeft = n;
      return { stepped: () => stepsLeft < 0 };
    },
    close: async () => {
      await landing.close();
      database.close();
    },
  };
}
