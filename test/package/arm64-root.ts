import {
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { command } from './command.ts';
import { debianMirror } from './debian-mirror.ts';
import { cache } from './root-file-system.ts';

/** Essential packages that we use, which nobody depends on, and what our own depend on. */
const essential = ['dpkg', 'dash', 'tar', 'gzip', 'perl-base', 'base-passwd', 'util-linux', 'sed'];
const more = ['coreutils', 'grep', 'findutils', 'diffutils', 'libc-bin', 'debianutils'];
const depended = ['systemd', 'init-system-helpers', 'libstdc++6'];
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * A small Debian 12 for arm64, from its signed archive, unpacked once. Its own maintainer scripts
 * did not run (minutes on an emulated processor): dpkg is told that all of it is installed.
 */
export async function arm64Root(): Promise<string> {
  const folder = join(cache, 'rootfs', 'arm64-root-1');
  if (existsSync(folder)) return folder;
  const making = `${folder}.${process.pid}`;
  const root = join(making, 'root');
  const debs = await download(join(making, 'apt'));
  for (const path of ['bin', 'sbin', 'lib']) {
    mkdirSync(join(root, 'usr', path), { recursive: true });
    symlinkSync(`usr/${path}`, join(root, path));
  }
  for (const path of ['dev', 'proc', 'tmp', 'etc']) mkdirSync(join(root, path));
  for (const deb of debs) {
    const unpack = 'dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink -C "$2"';
    await command('sh', ['-c', unpack, 'sh', deb, root]);
  }
  // What base-passwd does when it is configured.
  for (const name of ['passwd', 'group']) {
    const master = readFileSync(join(root, `usr/share/base-passwd/${name}.master`));
    writeFileSync(join(root, 'etc', name), master);
  }
  await tellDpkg(root, debs);
  renameSync(root, folder);
  await command('rm', ['-r', making]);
  return folder;
}

/** Answers the paths of the packages. */
async function download(folder: string): Promise<string[]> {
  const at = (path: string) => join(folder, path);
  for (const path of ['state/lists/partial', 'cache/archives/partial', 'etc']) {
    mkdirSync(at(path), { recursive: true });
  }
  const source = `deb [arch=arm64 signed-by=${keyring}] ${await debianMirror()} bookworm main\n`;
  writeFileSync(at('etc/sources.list'), source);
  writeFileSync(at('status'), '');
  const options = [
    ...[`Dir::State=${at('state')}`, `Dir::State::status=${at('status')}`],
    ...[`Dir::Cache=${at('cache')}`, `Dir::Etc::sourcelist=${at('etc/sources.list')}`],
    ...['Dir::Etc::sourceparts=-', 'APT::Architecture=arm64', 'APT::Architectures=arm64'],
    ...['APT::Sandbox::User=root', 'Acquire::Languages=none', 'APT::Install-Recommends=false'],
  ].flatMap((option) => ['-o', option]);
  await command('apt-get', [...options, 'update', '-qq']);
  const install = ['install', '-y', '-qq', '--download-only', ...essential, ...more, ...depended];
  await command('apt-get', [...options, ...install]);
  return globSync(at('cache/archives/*.deb')).sort();
}

async function tellDpkg(root: string, debs: readonly string[]): Promise<void> {
  const database = join(root, 'var/lib/dpkg');
  for (const path of ['info', 'updates', 'triggers']) {
    mkdirSync(join(database, path), { recursive: true });
  }
  let status = '';
  for (const deb of debs) {
    const control = await command('dpkg-deb', ['-f', deb]);
    status += `${control}\nStatus: install ok installed\n\n`;
    const [, name] = /^Package: (.*)$/m.exec(control)!;
    const isSame = /^Multi-Arch: same$/m.test(control);
    writeFileSync(join(database, 'info', `${name}${isSame ? ':arm64' : ''}.list`), '/.\n');
  }
  writeFileSync(join(database, 'status'), status);
  writeFileSync(join(database, 'available'), '');
}
