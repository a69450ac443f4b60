import { existsSync, mkdirSync, renameSync } from 'node:fs';
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
  const making = `${folder}.${process.pid}`;
  mkdirSync(join(cache, 'rootfs'), { recursive: true });
  await command('debootstrap', [
    ...['--variant=minbase', `--include=${included}`],
    ...[release, making, await debianMirror()],
  ]);
  renameSync(making, folder);
  return folder;
}
