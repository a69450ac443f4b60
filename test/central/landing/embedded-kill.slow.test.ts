import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openEmbeddedLanding } from '#central/landing/embedded.ts';
import type { Landing } from '#central/landing/landing.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { sourceFlags } from '../../../packaging/node-flags.ts';
import { readAll, sequenceOf } from '../../contract/landing-dump.ts';
import { Random } from '../../sim/random.ts';
import { mebibyte, temporaryFolder } from './embedded-harness.ts';

const seed = Number(process.env.TRIBUTARY_SEED ?? 20261121);
const rounds = Number(process.env.TRIBUTARY_KILLS ?? 10);

test(`killed ${rounds} times (seed ${seed}), it holds what it acknowledged, once`, async () => {
  const folder = temporaryFolder();
  const path = join(folder.path, 'central.db');
  const random = new Random(seed);
  const acknowledged = new Map<string, number>();
  for (let round = 0; round < rounds; round++) {
    await landAndKill(path, random, acknowledged);
    const landing = await openEmbeddedLanding(
      { path, maxBytes: 256 * mebibyte, retentionMs: 3_600_000 },
      { clock: systemClock, log: silentLog },
    );
    await verify(landing, acknowledged);
    await landing.close();
  }
  expect(acknowledged.size).toBe(6);
  folder.remove();
}, 120_000);

/**
 * Runs a central until a random number of commits were acknowledged, and kills it in the middle.
 */
async function landAndKill(
  path: string,
  random: Random,
  acknowledged: Map<string, number>,
): Promise<void> {
  const script = join(import.meta.dirname, 'landing-process.ts');
  const child: ChildProcess = spawn(
    process.execPath,
    [...sourceFlags, script, path, String(random.between(1, 1e9))],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const exited = once(child, 'exit');
  let commits = random.between(1, 120);
  let rest = '';
  for await (const chunk of child.stdout!) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      const [alias, topic, through] = line.split(' ');
      if (through !== undefined) acknowledged.set(`${alias}.${topic}`, Number(through));
      if (--commits === 0) child.kill('SIGKILL');
    }
  }
  await exited;
}

async function verify(landing: Landing, acknowledged: Map<string, number>): Promise<void> {
  const merged = new Map<string, number>();
  for (const row of await landing.checkpoints({})) {
    const { alias, topic, through, landedRecords, lostRecords, remoteTopic } = row;
    expect(through).toBeGreaterThanOrEqual(acknowledged.get(remoteTopic) ?? -1);
    expect(landedRecords + lostRecords).toBe(through + 1);
    const remote = (await readAll(landing, remoteTopic, 0)).map(sequenceOf);
    expect(remote).toHaveLength(landedRecords);
    expect(row.remoteOffset).toBe(landedRecords);
    for (let i = 1; i < remote.length; i++) expect(remote[i]! > remote[i - 1]!).toBe(true);
    const stream = { epoch: row.epoch, topic, partition: 0 };
    expect(await landing.lostWithin(alias, stream, 0, through)).toBe(lostRecords);
    merged.set(topic, (merged.get(topic) ?? 0) + landedRecords);
  }
  for (const [topic, records] of merged) {
    const seen = new Set<string>();
    for (const record of await readAll(landing, topic, 0)) {
      const alias = record.headers.find(([name]) => name === 'tributary.alias')?.[1];
      seen.add(`${alias}/${sequenceOf(record)}`);
    }
    expect(seen.size).toBe(records);
    const row = (await landing.topics()).find(({ topic: name }) => name === topic);
    expect(row?.records).toBe(records);
  }
}
