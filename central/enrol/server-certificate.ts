import { readFileSync, statSync } from 'node:fs';
import type { Clock } from '#shared/std/clock.ts';
import type { SecureContext } from '#shared/std/http-server.ts';
import type { Logger } from '#shared/std/log.ts';
import { type Authority, dayMs } from './authority.ts';

/** The link's certificate, and its successors: the listener takes each without a restart. */
export interface ServerCertificate {
  readonly context: SecureContext;
  /** Calls with each new one. */
  follow(listener: (context: SecureContext) => void): void;
  /** Looks whether a new one is due. */
  check(): Promise<void>;
  close(): void;
}

export interface ServerCertificateParts {
  clock: Clock;
  log: Logger;
}

const lifeMs = 90 * dayMs;
const checkEveryMs = 60_000;

/** Signed by central's own authority, with a key that lives in memory only. */
export async function ownServerCertificate(
  authority: Authority,
  names: readonly string[],
  parts: ServerCertificateParts,
): Promise<ServerCertificate> {
  let dueAt = 0;
  let chain = '';
  const make = async (): Promise<SecureContext> => {
    const now = parts.clock.now();
    const issued = await authority.issueServer(names, now, lifeMs);
    dueAt = now + (lifeMs * 2) / 3;
    chain = authority.chain;
    return { key: issued.privateKey, cert: issued.certificate + chain, ca: chain };
  };
  // A clock that was set back a long way would leave a certificate that is not valid yet.
  const isDue = () => {
    const now = parts.clock.now();
    return now >= dueAt || now < dueAt - lifeMs || chain !== authority.chain;
  };
  return keep(await make(), isDue, make, parts);
}

/** Of an outside authority: files that somebody else renews. Throws a RangeError. */
export async function serverCertificateFiles(
  files: { certFile: string; keyFile: string; caFile: string },
  parts: ServerCertificateParts,
): Promise<ServerCertificate> {
  const all = [files.certFile, files.keyFile, files.caFile];
  const stamp = () => all.map((file) => statSync(file).mtimeMs).join();
  let read = '';
  const make = async (): Promise<SecureContext> => {
    const now = stamp();
    const [cert, key, ca] = all.map((file) => readFileSync(file)) as [Buffer, Buffer, Buffer];
    read = now;
    return { cert, key, ca };
  };
  try {
    return keep(await make(), () => stamp() !== read, make, parts);
  } catch (error) {
    throw new RangeError(`link.cert_file, key_file, ca_file: ${(error as Error).message}`);
  }
}

function keep(
  first: SecureContext,
  isDue: () => boolean,
  make: () => Promise<SecureContext>,
  { clock, log }: ServerCertificateParts,
): ServerCertificate {
  let context = first;
  const listeners: ((context: SecureContext) => void)[] = [];
  const check = async () => {
    try {
      if (!isDue()) return;
      const next = await make();
      for (const listener of listeners) listener(next);
      context = next;
      log.info(
        { audit: true, event: 'server-certificate' },
        'audit: the link has a new certificate',
      );
    } catch (error) {
      log.error({ error: String(error) }, 'the link keeps its old certificate');
    }
  };
  return {
    get context() {
      return context;
    },
    follow: (listener) => void listeners.push(listener),
    check,
    close: clock.every(checkEveryMs, () => void check()),
  };
}
