import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PackageError, run } from './run.ts';

/**
 * Packages of another platform than this one's, from the registry, held to the lock file's
 * checksums.
 */

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const cacheFolder = join(
  process.env.XDG_CACHE_HOME || join(homedir(), '.cache'),
  'tributary',
);

export interface LockedPackage {
  version: string;
  integrity?: string;
  license?: string;
}

export interface Lock {
  packages: { readonly [path: string]: LockedPackage };
}

export const readLock = (): Lock =>
  JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));

export function lockedPackage(lock: Lock, name: string): LockedPackage {
  const found = lock.packages[`node_modules/${name}`];
  if (found === undefined) throw new PackageError(`package-lock.json has no ${name}`);
  return found;
}

/** The folder that holds the package's files, checked and unpacked once. */
export function npmPackage(lock: Lock, name: string): string {
  const { version, integrity } = lockedPackage(lock, name);
  const plain = `${name.replace(/^@/, '').replace('/', '-')}-${version}`;
  const folder = join(cacheFolder, 'npm', plain);
  const archive = `${folder}.tgz`;
  mkdirSync(join(cacheFolder, 'npm'), { recursive: true });
  if (!existsSync(archive)) {
    run('npm', [
      'pack',
      '--silent',
      '--pack-destination',
      join(cacheFolder, 'npm'),
      `${name}@${version}`,
    ]);
  }
  const found = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (found !== integrity) {
    rmSync(archive);
    rmSync(folder, { recursive: true, force: true });
    throw new PackageError(
      `${name}@${version} is ${found}, but package-lock.json says ${integrity}: it is not what was ` +
        'locked. It was removed from the cache; if it happens again, do not build from this registry.',
    );
  }
  if (existsSync(folder)) return folder;
  const unpacking = `${folder}.${process.pid}`;
  mkdirSync(unpacking, { recursive: true });
  run('tar', ['-xzf', archive, '-C', unpacking, '--strip-components=1', '--no-same-owner']);
  renameSync(unpacking, folder);
  return folder;
}

export const sha256 = (data: string | Uint8Array): string =>
  createHash('sha256').update(data).digest('hex');
