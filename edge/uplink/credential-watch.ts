import { statSync } from 'node:fs';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import { type Credential, loadCredential } from './credential.ts';

const lookEveryMs = 1_000;

/**
 * Looks whether somebody else (`join`) has put another credential there. `current` is ours: what
 * renewal wrote. `onOther` is called once.
 */
export function watchCredential(
  path: string,
  current: () => Credential | undefined,
  { clock, log }: { clock: Clock; log: Logger },
  onOther: (found: Credential) => void,
): () => void {
  let seen = '';
  const stop = clock.every(lookEveryMs, () => {
    const stamp = stampOf(path);
    if (stamp === seen) return;
    seen = stamp;
    const found = readable(path, log);
    if (found === undefined || found.certificate === current()?.certificate) return;
    stop();
    onOther(found);
  });
  return stop;
}

function stampOf(path: string): string {
  const { ino, mtimeMs, ctimeMs } = statSync(path, { throwIfNoEntry: false }) ?? {};
  return `${ino} ${mtimeMs} ${ctimeMs}`;
}

/** One that is damaged is no reason to leave the one in use. */
function readable(path: string, log: Logger): Credential | undefined {
  try {
    return loadCredential(path);
  } catch (error) {
    log.warn({ error: (error as Error).message }, 'another credential is there, of no use');
    return undefined;
  }
}
