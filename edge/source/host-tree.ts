import { readdir, readFile, statfs } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Where the kernel's files are read: `/`, or a recorded tree in tests. A file that is missing,
 * hidden (ProcSubset=pid, a container) or fails to read (a sensor that is off) is undefined,
 * never an error.
 */
export interface HostTree {
  /** `path` without a slash in front: `proc/stat`. White space around the text is cut. */
  text(path: string): Promise<string | undefined>;
  /** Names in a folder, sorted; none where there is no such folder. */
  list(path: string): Promise<string[]>;
  /** Sizes of the file system mounted at `mount`, as statfs(2) tells them. */
  sizes(mount: string): Promise<FileSystemSizes | undefined>;
}

export interface FileSystemSizes {
  bsize: number;
  blocks: number;
  bfree: number;
  bavail: number;
  files: number;
  ffree: number;
}

export const openHostTree = (root: string): HostTree => ({
  text: (path) => orUndefined(readFile(join(root, path), 'utf8').then((text) => text.trim())),
  list: async (path) => (await orUndefined(readdir(join(root, path))))?.sort() ?? [],
  sizes: (mount) => orUndefined(statfs(join(root, mount))),
});

const orUndefined = <T>(reading: Promise<T>): Promise<T | undefined> =>
  reading.catch(() => undefined);
