import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

/** Writes a file that only we may read, whole or not at all, and durable when it returns. */
export function writePrivateFile(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.new`;
  const file = openSync(draft, 'w', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
  const folder = openSync(dirname(path), 'r');
  fsyncSync(folder);
  closeSync(folder);
}

/** Throws a RangeError when others on this machine could read the file. */
export function assertPrivate(path: string): void {
  const others = statSync(path).mode & 0o077;
  if (others === 0) return;
  throw new RangeError(
    `${path} holds a private key and others on this machine may read it: chmod 600 ${path}`,
  );
}
