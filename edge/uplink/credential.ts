import { createHash, X509Certificate } from 'node:crypto';
import {
  chownSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

/**
 * What makes this gateway its site: a key that never leaves it, the certificate that central gave
 * for it, and whom to believe as central. One file, 0600, replaced whole.
 */
export interface Credential {
  alias: string;
  /** PEM. */
  key: string;
  certificate: string;
  /** One authority, or two while central changes from one to the next. */
  ca: string;
  /** Where it joined, for settings that name no central; missing in files of before. */
  url?: string;
  /** Id of the token that it joined with: another one in the settings is a wish to join anew. */
  tokenId?: string;
}

/** Throws a RangeError that names the file; undefined when there is none. */
export function loadCredential(path: string): Credential | undefined {
  try {
    const { mode } = statSync(path);
    if ((mode & 0o077) !== 0) {
      throw new Error(`others on this machine may read it: chmod 600 ${path}`);
    }
    const found = JSON.parse(readFileSync(path, 'utf8')) as Credential;
    const { alias, key, certificate, ca, url, tokenId } = found;
    for (const pem of [certificate, ca]) new X509Certificate(pem);
    return { alias, key, certificate, ca, url, tokenId };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code === 'EACCES') throw new RangeError(`${path} is the agent's own: try again as root`);
    throw new RangeError(
      `central.credential = ${path} cannot be used: ${(error as Error).message}; ` +
        'if it is damaged, remove it and join again',
    );
  }
}

export const saveCredential = (path: string, credential: Credential): void =>
  writePrivate(path, JSON.stringify(credential));

/** Durable when it returns. Of root it goes to whom the folder belongs: the agent reads it. */
export function writePrivate(path: string, text: string): void {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const draft = `${path}.new`;
  const file = openSync(draft, 'w', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  const { uid, gid } = statSync(folder);
  if (process.getuid?.() === 0) chownSync(draft, uid, gid);
  renameSync(draft, path);
  const opened = openSync(folder, 'r');
  fsyncSync(opened);
  closeSync(opened);
}

/** SHA-256 of a certificate's key (SPKI, DER), base64url: what a join token pins. */
export const pinOf = ({ publicKey }: X509Certificate): string =>
  createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url');

export interface Validity {
  notBefore: number;
  notAfter: number;
}

export function validityOf({ certificate }: Credential): Validity {
  const { validFromDate, validToDate } = new X509Certificate(certificate);
  return { notBefore: validFromDate.getTime(), notAfter: validToDate.getTime() };
}
