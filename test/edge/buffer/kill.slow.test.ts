import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, onTestFailed, test } from 'vitest';
import { sourceFlags } from '../../../packaging/node-flags.ts';
import { readAll, recordsOf, segments } from '../../contract/buffer.ts';
import { Random } from '../../sim/random.ts';
import { openInline, optionsFor, temporaryFolder } from './buffer-harness.ts';

const child = fileURLToPath(new URL('killed-child.ts', import.meta.url));
const rounds = Number(process.env.TRIBUTARY_KILLS ?? 8);
const seed = Number(process.env.TRIBUTARY_SEED ?? 1);

/** Runs the child until it is killed after `ms`; answers what it said. */
async function killedAfter(ms: number, args: string[]): Promise<string[]> {
  const running = spawn(process.execPath, [...sourceFlags, child, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  const isReady = new Promise<void>((resolve) => {
    running.stdout.on('data', (chunk) => {
      said += String(chunk);
      if (said.startsWith('ready\n')) resolve();
    });
  });
  // Listened for from the start: one that ends by itself does so before anybody waits for it.
  const ended = once(running, 'close').then(([code, signal]) => String(signal ?? code));
  const slow = setTimeout(() => running.kill('SIGABRT'), 60_000);
  await Promise.race([isReady.then(() => sleep(ms)), ended]);
  running.kill('SIGKILL');
  expect(await ended, `how the child ended, which said: ${said.slice(-200)}`).toBe('SIGKILL');
  clearTimeout(slow);
  // The last line may be torn: it was being said when the process died.
  return said.split('\n').slice(1, -1);
}

test(`what was resolved survives kill -9, whole and in order (${rounds} kills, seed ${seed})`, async () => {
  const folder = await temporaryFolder();
  const path = join(folder.path, 'buffer.db');
  const random = new Random(seed);
  const resolved = new Map<string, Set<number>>();
  const passed = new Map<string, number>();
  let resolvedCount = 0;
  let step = '';
  onTestFailed(() => console.log(step));
  for (let round = 0; round < rounds; round++) {
    step = `round ${round}: the child runs until it is killed`;
    const firstId = String(round * 1_000_000);
    const said = await killedAfter(random.between(20, 400), [path, String(seed + round), firstId]);
    for (const line of said) {
      const [sign, topic = '', number = ''] = line.split(' ');
      if (sign === '+') {
        resolved.set(topic, (resolved.get(topic) ?? new Set()).add(Number(number)));
        resolvedCount += 1;
      } else passed.set(topic, Math.max(passed.get(topic) ?? -1, Number(number)));
    }
    step = `round ${round}: what it left behind is read`;
    await judge(path, resolved, passed);
  }
  expect(resolvedCount).toBeGreaterThan(rounds * 10);
  await folder.remove();
}, 300_000);

async function judge(
  path: string,
  resolved: ReadonlyMap<string, ReadonlySet<number>>,
  passed: ReadonlyMap<string, number>,
): Promise<void> {
  const buffer = await openInline(optionsFor(path, { maxBytes: 256 * 1024 * 1024 }));
  const frames = await readAll(buffer, 4_000_000);
  for (const { topic, head, cursor } of await buffer.helloStreams()) {
    const own = segments(frames).filter((frame) => frame.topic === topic);
    // Contiguous from the cursor to the head.
    let next = cursor + 1;
    for (const { first, count } of own) {
      expect(first).toBe(next);
      next = first + count;
    }
    expect(next).toBe(head + 1);
    expect(cursor).toBeLessThanOrEqual(passed.get(topic) ?? -1);
    const ids = recordsOf(own).map(({ timestamp }) => timestamp);
    expect(ids).toEqual([...ids].sort((a, b) => a - b));
    const there = new Set(ids);
    const missing = [...(resolved.get(topic) ?? [])].filter((id) => !there.has(id));
    expect(missing.length).toBeLessThanOrEqual(cursor + 1);
    expect(missing.every((id) => id < (ids[0] ?? Number.POSITIVE_INFINITY))).toBe(true);
    const [position] = (await buffer.positions(`s/${topic}`)).values();
    const newest = Math.max(...(resolved.get(topic) ?? [-1]));
    expect(Number(position ?? -1)).toBeGreaterThanOrEqual(newest);
  }
  await buffer.close();
}
