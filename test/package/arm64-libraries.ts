import { existsSync, globSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { command } from './command.ts';
import { debianMirror } from './debian-mirror.ts';
import { cache } from './root-file-system.ts';

const wanted = ['libc6', 'libgcc-s1', 'libstdc++6'];
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** The C and C++ libraries of Debian 12 for arm64, from its signed archive, unpacked once. */
export async function arm64Libraries(): Promise<string> {
  const folder = join(cache, 'rootfs', 'arm64-libraries-1');
  if (existsSync(folder)) return folder;
  const making = `${folder}.${process.pid}`;
  const at = (path: string) => join(making, 'apt', path);
  for (const path of ['state/lists/partial', 'cache/archives/partial', 'etc']) {
    mkdirSync(at(path), { recursive: true });
  }
  const mirror = await debianMirror();
  const source = `deb [arch=arm64 signed-by=${keyring}] ${mirror} bookworm main\n`;
  writeFileSync(at('etc/sources.list'), source);
  writeFileSync(at('status'), '');
  const options = [
    ...[`Dir::State=${at('state')}`, `Dir::State::status=${at('status')}`],
    ...[`Dir::Cache=${at('cache')}`, `Dir::Etc::sourcelist=${at('etc/sources.list')}`],
    ...['Dir::Etc::sourceparts=-', 'APT::Architecture=arm64', 'APT::Architectures=arm64'],
    ...['APT::Sandbox::User=root', 'Acquire::Languages=none'],
  ].flatMap((option) => ['-o', option]);
  await command('apt-get', [...options, 'update', '-qq']);
  const inside = `cd ${at('')} && exec apt-get "$@"`;
  await command('sh', ['-c', inside, 'sh', ...options, 'download', '-qq', ...wanted]);
  for (const deb of globSync(at('*.deb'))) await command('dpkg-deb', ['-x', deb, making]);
  renameSync(making, folder);
  return folder;
}
