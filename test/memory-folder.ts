import { accessSync, constants, mkdtempSync, statfsSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';

const shared = '/dev/shm';
/** A run of everything keeps some hundred MB there; a machine with little is left alone. */
const roomNeeded = 4 * 1024 ** 3;
const memoryNeeded = 8 * 1024 ** 3;

/**
 * A new folder in memory where there is plenty, else on disk: for what a test needs beside what it is
 * about, so that a disk which stands still for seconds (many of these machines share theirs) does not
 * fail it. Whoever asked removes it.
 */
export function memoryFolder(prefix: string): string {
  return mkdtempSync(join(isRoomy() ? shared : tmpdir(), prefix));
}

function isRoomy(): boolean {
  try {
    accessSync(shared, constants.W_OK);
    const { bavail, bsize } = statfsSync(shared);
    return bavail * bsize >= roomNeeded && freemem() >= memoryNeeded;
  } catch {
    return false;
  }
}
