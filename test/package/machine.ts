import { type ChildProcess, spawn } from 'node:child_process';
import {
  copyFileSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { systemClock } from '#shared/std/clock.ts';
import { attempt, command, type Ended } from './command.ts';

/** A booted Debian with a real systemd as its process 1, thrown away afterwards. */
export interface Machine {
  /** Runs a command inside, as root. */
  run(...words: string[]): Promise<string>;
  attempt(...words: string[]): Promise<Ended>;
  shell(script: string): Promise<string>;
  /** GET from inside its network, as JSON. */
  get(url: string): Promise<unknown>;
  /** A property of a unit, as `systemctl show` tells. */
  show(unit: string, property: string): Promise<string>;
  /** The host's number of its process 1. */
  leader: number;
  /** Words that run `words` inside, for a process of the test's own. */
  inside(...words: string[]): [string, string[]];
  /** Files of the host that are in /mnt. */
  share: string;
  stop(): Promise<void>;
}

const environment = ['PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL=C.UTF-8', 'HOME=/root'];

/**
 * `rootFolder` is never written (an overlay in memory takes the changes); `debs` appear in /mnt. The
 * network is the machine's own: only loopback.
 */
export async function bootMachine(rootFolder: string, debs: readonly string[]): Promise<Machine> {
  const work = mkdtempSync(join(tmpdir(), 'tributary-machine-'));
  const share = join(work, 'share');
  mkdirSync(share);
  for (const deb of debs) copyFileSync(deb, join(share, basename(deb)));
  const console = join(work, 'console.log');
  const groups = ownControlGroups(basename(work));
  const container = spawn(
    'sh',
    [
      '-c',
      `for g in ${groups.join(' ')}; do echo $$ > "$g/cgroup.procs"; done; exec "$@"`,
      'sh',
      'systemd-nspawn',
      ...['-q', '-D', rootFolder, '-b', '--volatile=overlay', '--register=no', '--keep-unit'],
      ...['--private-network', `--machine=${basename(work)}`, '--console=pipe'],
      ...['--timezone=off', '--resolv-conf=off', `--bind=${share}:/mnt`],
    ],
    { stdio: ['ignore', openSync(console, 'w'), openSync(console, 'a')] },
  );
  const stop = async () => {
    await end(container);
    for (const group of groups) removeGroup(group);
    rmSync(work, { recursive: true, force: true });
  };
  try {
    const machine = machineOf(await firstProcess(container, console), share, stop);
    await waitFor('systemd answers', async () => {
      const { out } = await machine.attempt('systemctl', 'is-system-running', '--wait');
      return /running|degraded/.test(out);
    });
    return machine;
  } catch (error) {
    await stop();
    throw error;
  }
}

function machineOf(leader: number, share: string, stop: () => Promise<void>): Machine {
  const enter = ['-t', String(leader), '-m', '-u', '-i', '-n', '-p', '-C', '-r', '--wdns=/', '--'];
  const inside = (...words: string[]): [string, string[]] => [
    'nsenter',
    [...enter, 'env', '-i', ...environment, 'DEBIAN_FRONTEND=noninteractive', ...words],
  ];
  const run = (...words: string[]) => command(...inside(...words));
  return {
    run,
    leader,
    inside,
    share,
    stop,
    attempt: (...words) => attempt(...inside(...words)),
    shell: (script) => run('sh', '-c', script),
    show: (unit, property) => run('systemctl', 'show', unit, '-p', property, '--value'),
    async get(url) {
      const words = ['-t', String(leader), '-n', '--', 'curl', '-sS', '--max-time', '10', url];
      return JSON.parse(await command('nsenter', words));
    },
  };
}

/** Two containers of one control group would wait for each other's processes when they stop. */
function ownControlGroups(name: string): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return mounts
    .filter((line) => / - cgroup2 | - cgroup .*name=systemd/.test(line))
    .map((line) => join(line.split(' ')[4]!, name))
    .map((group) => {
      mkdirSync(group);
      return group;
    });
}

function removeGroup(group: string): void {
  const below = globSync('**/', { cwd: group }).sort().reverse();
  for (const folder of [...below.map((path) => join(group, path)), group]) {
    try {
      rmdirSync(folder);
    } catch {
      // Still in use for a moment, or gone already: an empty group costs nothing.
    }
  }
}

/** The host's number of the machine's process 1: the descendant that is 1 in its own name space. */
async function firstProcess(container: ChildProcess, console: string): Promise<number> {
  let found: number | undefined;
  await waitFor('the machine starts', async () => {
    if (container.exitCode !== null) throw new Error(readFileSync(console, 'utf8'));
    found = descendants(container.pid!).find(isFirst);
    return found !== undefined;
  });
  return found!;
}

function descendants(pid: number): number[] {
  const children = globSync(`/proc/${pid}/task/*/children`)
    .flatMap((path) => readFileSync(path, 'utf8').trim().split(' '))
    .filter((word) => word !== '')
    .map(Number);
  return [pid, ...children.flatMap(descendants)];
}

const isFirst = (pid: number): boolean =>
  /^NSpid:\s\d+\s1$/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));

/** SIGTERM halts in order; what has not ended then is ended. */
async function end(container: ChildProcess): Promise<void> {
  if (container.exitCode !== null || container.signalCode !== null) return;
  const ended = new Promise((resolve) => container.once('close', resolve));
  container.kill('SIGTERM');
  const late = systemClock.sleep(20_000).then(() => container.kill('SIGKILL'));
  await Promise.race([ended, late.then(() => ended)]);
}

/** Looks until it is so; after `seconds` it is an error. */
export async function waitFor(
  what: string,
  isSo: () => Promise<boolean>,
  seconds = 60,
): Promise<void> {
  const until = systemClock.monotonic() + seconds * 1000;
  let last: unknown = 'no';
  for (;;) {
    try {
      if (await isSo()) return;
    } catch (error) {
      last = error;
    }
    if (systemClock.monotonic() > until) {
      throw new Error(`waited ${seconds} s for: ${what} (${String(last)})`);
    }
    await systemClock.sleep(100);
  }
}

/** Puts a file into /mnt and answers the path inside. */
export function shareFile({ share }: Machine, name: string, content: string): string {
  writeFileSync(join(share, name), content);
  return `/mnt/${name}`;
}
