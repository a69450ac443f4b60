import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { command } from './command.ts';
import { debianMirror } from './debian-mirror.ts';

export type Release = 'bookworm' | 'trixie';

const included =
  'systemd,systemd-sysv,init-system-helpers,ca-certificates,mosquitto,mosquitto-clients,dbus,sudo,curl';

export const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'tributary');

/** A small Debian with systemd and mosquitto, made once (about a minute) and never written afterwards. */
export async function rootFileSystem(release: Release): Promise<string> {
  const folder = join(cache, 'rootfs', `${release}-3`);
  if (existsSync(folder)) return folder;
  mkdirSync(join(cache, 'rootfs'), { recursive: true });
  // Test files run beside each other: the first to come makes it, the others wait for that.
  const script =
    '[ -d "$1" ] || { debootstrap --variant=minbase --include="$2" "$3" "$1.part" "$4" >&2 && ' +
    'mv "$1.part" "$1"; }';
  const words = [folder, included, release, await debianMirror()];
  await command('flock', [
    `${folder}.lock`,
    'sh',
    '-c',
    `rm -rf "$1.part"; ${script}`,
    'sh',
    ...words,
  ]);
  return folder;
}
