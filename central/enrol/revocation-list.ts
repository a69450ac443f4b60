import 'reflect-metadata';
import { webcrypto, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import * as x509 from '@peculiar/x509';
import { type Clock, isoTime } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';

/** Certificates that an outside authority has taken back: `link.crl_file`, read again as it changes. */
export interface RevocationList {
  isRevoked(certificate: X509Certificate): boolean;
  close(): void;
}

export const noRevocations: RevocationList = { isRevoked: () => false, close: () => {} };

const lookEveryMs = 1_000;
const warnEveryMs = 3_600_000;

/** One list: whose it is, and which serial numbers are on it. */
interface Read {
  issuer: X509Certificate;
  serials: ReadonlySet<string>;
  nextUpdate: number;
}

/**
 * `file` holds one list or several, PEM, each signed by an authority in `caFile`. One that has
 * outlived its time stays in force, with a warning: letting everybody in, or nobody, would be
 * worse. Throws a RangeError when it cannot be used at the start; later the one before stays.
 */
export async function openRevocationList(
  { file, caFile }: { file: string; caFile: string },
  { clock, log }: { clock: Clock; log: Logger },
): Promise<RevocationList> {
  x509.cryptoProvider.set(webcrypto as never);
  let seen = stampOf(file);
  let lists: Read[];
  try {
    lists = await readLists(file, caFile);
  } catch (error) {
    throw new RangeError(`link.crl_file = "${file}": ${(error as Error).message}`);
  }
  let warnedAt = Number.NEGATIVE_INFINITY;
  const look = async () => {
    const now = stampOf(file);
    if (now === seen) return;
    seen = now;
    try {
      lists = await readLists(file, caFile);
      const revoked = lists.reduce((sum, { serials }) => sum + serials.size, 0);
      const facts = { audit: true, event: 'revocation-list', revoked };
      log.info(facts, 'audit: the revocation list was read again');
    } catch (error) {
      log.error({ error: (error as Error).message, file }, 'the revocation list before is kept');
    }
  };
  const warn = () => {
    const old = lists.find(({ nextUpdate }) => nextUpdate < clock.now());
    if (!old || clock.monotonic() - warnedAt < warnEveryMs) return;
    warnedAt = clock.monotonic();
    const due = isoTime(old.nextUpdate);
    log.warn({ file, due }, 'the revocation list is older than its authority promised');
  };
  const close = clock.every(lookEveryMs, () => {
    warn();
    void look();
  });
  return {
    close,
    isRevoked: (certificate) => {
      const serial = plainSerial(certificate.serialNumber);
      return lists.some(({ issuer, serials }) => {
        return serials.has(serial) && certificate.checkIssued(issuer);
      });
    },
  };
}

async function readLists(file: string, caFile: string): Promise<Read[]> {
  const authorities = pemBlocks(readFileSync(caFile, 'utf8'), 'CERTIFICATE');
  const blocks = pemBlocks(readFileSync(file, 'utf8'), 'X509 CRL');
  if (blocks.length === 0) throw new Error('holds no list in PEM (-----BEGIN X509 CRL-----)');
  return Promise.all(
    blocks.map(async (pem) => {
      const list = new x509.X509Crl(pem);
      for (const authority of authorities) {
        const publicKey = new x509.X509Certificate(authority).publicKey;
        // Another authority's key need not even be of the kind that this signature is.
        if (!(await list.verify({ publicKey }).catch(() => false))) continue;
        return {
          issuer: new X509Certificate(authority),
          serials: new Set(list.entries.map(({ serialNumber }) => plainSerial(serialNumber))),
          nextUpdate: list.nextUpdate?.getTime() ?? Number.POSITIVE_INFINITY,
        };
      }
      throw new Error(`the list of ${list.issuer} is not signed by an authority in link.ca_file`);
    }),
  );
}

const pemBlocks = (pem: string, kind: string): string[] =>
  pem.match(new RegExp(`-----BEGIN ${kind}-----[\\s\\S]*?-----END ${kind}-----`, 'g')) ?? [];

const plainSerial = (serial: string): string => serial.toUpperCase().replace(/^0+/, '');

function stampOf(file: string): string {
  const { ino, size, mtimeMs, ctimeMs } = statSync(file, { throwIfNoEntry: false }) ?? {};
  return `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
}
