import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { arm64Libraries } from './arm64-libraries.ts';
import { buildPackages } from './build.ts';
import { attempt, command } from './command.ts';
import { waitFor } from './machine.ts';
import { whyNot } from './requirements.ts';

const emulator = 'qemu-aarch64-static';
const isMissing = whyNot([emulator, 'aarch64-linux-gnu-strip', 'dpkg-deb', 'apt-get']);
const centralMain = fileURLToPath(new URL('../../central/main.ts', import.meta.url));

/** The packages' own files on an emulated processor; what dpkg and systemd do with them is the same there. */
describe.skipIf(isMissing !== undefined)('the arm64 packages', () => {
  let root: string;
  let built: string;
  const running: ChildProcess[] = [];

  beforeAll(async () => {
    built = await buildPackages('--arch', 'arm64', '--compression', 'zstd');
    root = mkdtempSync(join(tmpdir(), 'tributary-arm64-'));
    cpSync(await arm64Libraries(), root, { recursive: true, verbatimSymlinks: true });
    for (const deb of globSync(`${built}/*.deb`)) await command('dpkg-deb', ['-x', deb, root]);
  }, 300_000);
  afterAll(async () => {
    for (const child of running) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    for (const folder of [root, built]) rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  const words = (program: string, ...args: string[]) => [
    ...['-L', root, `${root}/usr/lib/tributary-runtime/node`],
    ...[`${root}/usr/lib/tributary-${program}/main.mjs`, ...args],
  ];
  const start = async (file: string, args: string[]) => {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    running.push(child);
    for await (const line of createInterface({ input: child.stdout })) {
      return { child, ready: JSON.parse(line) };
    }
    throw new Error(`${file} ${args.join(' ')} ended with ${child.exitCode}`);
  };
  const settings = (name: string, text: string) => {
    const path = join(root, name);
    writeFileSync(path, text);
    return path;
  };

  test('are for arm64, and no program in them asks for a newer C library than Depends says', async () => {
    for (const deb of globSync(`${built}/*.deb`)) {
      expect(await command('dpkg-deb', ['-f', deb, 'Architecture'])).toBe('arm64');
    }
    const files = globSync(`${root}/usr/lib/tributary-*/{node,*.node}`);
    expect(files).toHaveLength(5);
    const said = await command('aarch64-linux-gnu-objdump', ['-T', ...files]);
    const versions = [...said.matchAll(/GLIBC_2\.(\d+)/g)].map((hit) => Number(hit[1]));
    expect(Math.max(...versions)).toBeLessThanOrEqual(34);
  }, 60_000);

  test('take records in, forward them, and stop in order', async () => {
    expect(await command(emulator, words('edge', '--version'))).toMatch(/^tributary-edge \d/);
    expect(await command(emulator, words('central', '--version'))).toMatch(/^tributary-central \d/);
    const central = await start(process.execPath, [
      ...[centralMain, 'run', '--config'],
      settings(
        'central.toml',
        `link.listen = "127.0.0.1:0"\nstatus.listen = "127.0.0.1:0"\n[landing]\npath = "${root}/central.db"\n`,
      ),
    ]);
    const config = settings(
      'edge.toml',
      `alias = "pi"\nbuffer.path = "${root}/buffer/buffer.db"\nstatus.listen = "127.0.0.1:0"\n` +
        `[central]\nurl = "${central.ready.link}"\n` +
        '[[source]]\ntype = "http"\nlisten = "127.0.0.1:0"\n',
    );
    expect((await attempt(emulator, words('edge', 'check', '--config', config))).code).toBe(0);
    const edge = await start(emulator, words('edge', 'run', '--config', config));
    const address = edge.ready.sources[0].address;
    const headers = { 'content-type': 'text/plain' };
    const answer = await fetch(`${address}/v1/records/t`, { method: 'POST', headers, body: '42' });
    expect(await answer.json()).toMatchObject({ accepted: 1 });
    const records = `${central.ready.status}/api/v1/topics/pi.t/partitions/0/records`;
    await waitFor('the record lands', async () => {
      const { records: found } = (await (await fetch(records)).json()) as { records: object[] };
      return found.length === 1;
    });
    const ended = once(edge.child, 'exit');
    edge.child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  }, 180_000);
});
