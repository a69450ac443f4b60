import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../system/free-port.ts';
import { arm64Root } from './arm64-root.ts';
import { buildPackages } from './build.ts';
import { command } from './command.ts';
import { type Emulated, emulate, emulationProblem, emulator } from './emulated.ts';
import { waitFor } from './machine.ts';
import { whyNot } from './requirements.ts';

const tools = [basename(emulator), 'aarch64-linux-gnu-strip', 'dpkg-deb', 'apt-get'];
const isMissing = whyNot([...tools, 'unshare', 'nsenter'], emulationProblem());
const centralMain = fileURLToPath(new URL('../../central/main.ts', import.meta.url));

/**
 * The life of the arm64 packages on an emulated processor, from dpkg's own hands. Only systemd does
 * not run there: what it does with our unit is tested on this machine's processor (life.ts).
 */
describe.skipIf(isMissing !== undefined)('the arm64 packages', () => {
  let root: string;
  let built: string;
  let inside: Emulated;
  let agent: { child: ChildProcess; ready: { sources: { address: string }[] } };
  let central: { child: ChildProcess; ready: { link: string; status: string } };
  const running: ChildProcess[] = [];

  beforeAll(async () => {
    built = await buildPackages('--arch', 'arm64', '--compression', 'zstd');
    root = mkdtempSync(join(tmpdir(), 'tributary-arm64-'));
    await command('cp', ['-a', `${await arm64Root()}/.`, root]);
    mkdirSync(join(root, 'debs'));
    for (const deb of globSync(`${built}/*.deb`))
      copyFileSync(deb, join(root, 'debs', basename(deb)));
    inside = await emulate(root);
  }, 400_000);
  afterAll(async () => {
    for (const child of running) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    await inside?.stop();
    for (const folder of [root, built]) rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  async function start<T>(file: string, args: readonly string[]) {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    running.push(child);
    for await (const line of createInterface({ input: child.stdout })) {
      return { child, ready: JSON.parse(line) as T };
    }
    throw new Error(`${file} ${args.join(' ')} ended with ${child.exitCode}`);
  }
  /** What systemd would run, as whom it would. */
  const service = (program: string): string[] => {
    const unit = readFileSync(
      join(root, `usr/lib/systemd/system/tributary-${program}.service`),
      'utf8',
    );
    const [, line] = /^ExecStart=(.*)$/m.exec(unit)!;
    const user = `tributary-${program}`;
    const state = `STATE_DIRECTORY=/var/lib/${user}`;
    const noted = ['sh', '-c', `echo $$ > /tmp/${program}.pid; exec "$@"`, 'sh'];
    const as = ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups'];
    return [...noted, ...as, 'env', state, ...line!.split(' ')];
  };

  test('are for arm64, and no program in them asks for a newer C library than Depends says', async () => {
    const folder = join(built, 'unpacked');
    for (const deb of globSync(`${built}/*.deb`)) {
      expect(await command('dpkg-deb', ['-f', deb, 'Architecture'])).toBe('arm64');
      await command('dpkg-deb', ['-x', deb, folder]);
    }
    const files = globSync(`${folder}/usr/lib/tributary-*/{node,*.node}`);
    expect(files).toHaveLength(5);
    const said = await command('aarch64-linux-gnu-objdump', ['-T', ...files]);
    const versions = [...said.matchAll(/GLIBC_2\.(\d+)/g)].map((hit) => Number(hit[1]));
    expect(Math.max(...versions)).toBeLessThanOrEqual(34);
  }, 60_000);

  test('are installed by dpkg, with their users and their services enabled', async () => {
    const debs = globSync(`${root}/debs/*.deb`).map((path) => `/debs/${basename(path)}`);
    const { code, out, err } = await inside.attempt('dpkg', '-i', ...debs);
    expect(`${code} ${code === 0 ? '' : out + err}`).toBe('0 ');
    expect(await inside.run('uname', '-m')).toBe('aarch64');
    for (const program of ['edge', 'central']) {
      const name = `tributary-${program}`;
      expect(await inside.run(name, '--version')).toMatch(new RegExp(`^${name} \\d`));
      expect(readFileSync(join(root, 'etc/passwd'), 'utf8')).toContain(`${name}:x:`);
      const wants = join(root, `etc/systemd/system/multi-user.target.wants/${name}.service`);
      expect(readlinkSync(wants)).toContain(`${name}.service`);
      // StateDirectory=
      const state = ['-d', '-m', '700', '-o', name, '-g', name, `/var/lib/${name}`];
      await inside.run('install', ...state);
    }
    // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own placeholders
    const how = '${Status} ${Architecture}\\n';
    const status = await inside.run('dpkg-query', '-W', '-f', how, 'tributary-*');
    expect(new Set(status.split('\n'))).toEqual(new Set(['install ok installed arm64']));
  }, 120_000);

  test('start, join a central, and forward what they take in', async () => {
    central = await start(process.execPath, [
      ...[centralMain, 'run', '--set', 'link.listen=127.0.0.1:0', '--set', 'link.tls=own'],
      ...['--set', 'status.listen=127.0.0.1:0', '--set', `landing.path=${built}/central.db`],
      ...['--set', `enrol.authority=${built}/authority.pem`],
    ]);
    // A port that can be named: `buffer list`, and so a purge, asks the agent there.
    const settings = `alias = "pi"\nstatus.listen = "127.0.0.1:${await freePort()}"\n`;
    const source = '[[source]]\ntype = "http"\nlisten = "127.0.0.1:0"\n';
    writeFileSync(join(root, 'etc/tributary/edge.d/site.toml'), settings + source);
    expect((await inside.attempt('tributary-edge', 'check')).code).toBe(0);
    agent = await start(...inside.inside(...service('edge')));
    const { address } = agent.ready.sources[0]!;
    const post = async (body: string) => {
      const headers = { 'content-type': 'text/plain' };
      return (await fetch(`${address}/v1/records/t`, { method: 'POST', headers, body })).json();
    };
    expect(await post('before')).toMatchObject({ accepted: 1 });
    const asked = `${central.ready.status}/api/v1/edges/pi/enrol`;
    const change = { method: 'POST', headers: { 'content-type': 'application/json' } };
    const { token } = (await (await fetch(asked, change)).json()) as { token: string };
    const said = await inside.run('tributary-edge', 'join', token, '--url', central.ready.link);
    expect(said).toContain(`This gateway is "pi" of ${central.ready.link}`);
  }, 180_000);

  test('the agent that runs takes up what join brought, and stops in order', async () => {
    const records = `${central.ready.status}/api/v1/topics/pi.t/partitions/0/records`;
    await waitFor('the record lands', async () => {
      const { records: found } = (await (await fetch(records)).json()) as {
        records: { value: string }[];
      };
      return found.length === 1 && found[0]!.value === 'before';
    });
    const ended = once(agent.child, 'exit');
    await inside.run('sh', '-c', 'kill -TERM $(cat /tmp/edge.pid)');
    expect((await ended)[0]).toBe(0);
  }, 120_000);

  test('the collector starts on it, too', async () => {
    writeFileSync(
      join(root, 'etc/tributary/central.d/own.toml'),
      'link.listen = "127.0.0.1:0"\nstatus.listen = "127.0.0.1:0"\n',
    );
    const other = await start<{ status: string }>(...inside.inside(...service('central')));
    expect((await fetch(`${other.ready.status}/healthz`)).status).toBe(200);
    const ended = once(other.child, 'exit');
    await inside.run('sh', '-c', 'kill -TERM $(cat /tmp/central.pid)');
    expect((await ended)[0]).toBe(0);
  }, 120_000);

  test('are purged by dpkg, and nothing of them is left but the users', async () => {
    const names = ['tributary-edge', 'tributary-central', 'tributary-runtime'];
    const { code, out, err } = await inside.attempt('dpkg', '-P', ...names);
    expect(`${code} ${code === 0 ? '' : out + err}`).toBe('0 ');
    expect(out + err).not.toContain('never reached central');
    for (const path of [
      'usr/lib/tributary-*',
      'etc/tributary',
      'var/lib/tributary-*',
      'usr/bin/trib*',
    ]) {
      expect(globSync(join(root, path))).toEqual([]);
    }
    expect(existsSync(join(root, 'debs'))).toBe(true);
  }, 120_000);
});
