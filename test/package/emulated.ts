import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { attempt, command, type Ended } from './command.ts';
import { waitFor } from './machine.ts';

export const emulator = '/usr/bin/qemu-aarch64-static';

/** A root file system of another processor, whose programs run as if they were this one's. */
export interface Emulated {
  run(...words: string[]): Promise<string>;
  attempt(...words: string[]): Promise<Ended>;
  /** Words that run `words` inside, for a process of the test's own. */
  inside(...words: string[]): [string, string[]];
  stop(): Promise<void>;
}

const magic =
  ':qemu-aarch64:M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00:' +
  '\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff:' +
  `${emulator}:F`;

const devices = ['null', 'zero', 'random', 'urandom', 'full'];

const setUp = `read -r _
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
printf %s '${magic}' > /proc/sys/fs/binfmt_misc/register
mount -t proc proc "$0/proc"
for name in ${devices.join(' ')}; do : >> "$0/dev/$name"; mount --bind "/dev/$name" "$0/dev/$name"; done
echo ready
exec sleep infinity`;

/** Why the kernel cannot do it: binfmt_misc of one's own came with Linux 6.7. */
export function emulationProblem(): string | undefined {
  const [major, minor] = readFileSync('/proc/sys/kernel/osrelease', 'utf8').split('.').map(Number);
  if (major! > 6 || (major === 6 && minor! >= 7)) return undefined;
  return 'a user namespace has no binfmt_misc of its own before Linux 6.7';
}

/**
 * Programs of arm64 start under the emulator within this user namespace alone: nothing is registered
 * on the machine itself. The network is the machine's.
 */
export async function emulate(root: string): Promise<Emulated> {
  const words = ['--user', '--mount', '--pid', '--fork', '--kill-child', 'sh', '-ec', setUp, root];
  const outer = spawn('unshare', words, { stdio: ['pipe', 'pipe', 'inherit'] });
  let first = '';
  await waitFor('the name space is there', async () => {
    first = readFileSync(`/proc/${outer.pid}/task/${outer.pid}/children`, 'utf8').trim();
    return first !== '';
  });
  for (const map of ['uid_map', 'gid_map']) writeFileSync(`/proc/${first}/${map}`, '0 0 65536');
  outer.stdin.end('go\n');
  const ended = once(outer, 'exit');
  await Promise.race([once(outer.stdout, 'data'), ended]);
  if (outer.exitCode !== null) throw new Error('programs of arm64 cannot be emulated here');
  const environment = ['PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL=C.UTF-8', 'HOME=/root'];
  const inside = (...more: string[]): [string, string[]] => [
    'nsenter',
    [
      ...['-t', first, '-U', '-m', '-p', '--wdns=/', '--', 'chroot', root],
      ...['/usr/bin/env', '-i', ...environment, 'DEBIAN_FRONTEND=noninteractive', ...more],
    ],
  ];
  return {
    inside,
    run: (...more) => command(...inside(...more)),
    attempt: (...more) => attempt(...inside(...more)),
    async stop() {
      outer.kill('SIGKILL');
      await ended;
    },
  };
}
