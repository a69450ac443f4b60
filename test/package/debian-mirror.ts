import { command } from './command.ts';

/** Where this machine gets Debian's packages from, with a slash at the end. */
export async function debianMirror(): Promise<string> {
  const uris = await command('apt-get', [
    ...['indextargets', '--format', '$(REPO_URI)'],
    'Created-By: Packages',
  ]);
  const mirror = uris.split('\n').find((uri) => uri.endsWith('/debian/'));
  if (!mirror)
    throw new Error('apt on this machine has no Debian archive: see /etc/apt/sources.list');
  return mirror;
}
