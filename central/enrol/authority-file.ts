import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import * as x509 from '@peculiar/x509';
import { algorithm, type CryptoKey, generateKeys, newSerial, toPem } from './authority-keys.ts';
import { assertPrivate, writePrivateFile } from './private-file.ts';

/**
 * The authority's file, PEM: the key in use and its certificate; behind it, while sites still
 * believe the authority before, the *bridge* (our key, certified by that one) and its certificate.
 */
export interface AuthorityFile {
  key: KeyObject;
  /** Of the authority in use; signed by itself. */
  root: X509Certificate;
  before: { root: X509Certificate; bridge: X509Certificate } | null;
}

const dayMs = 86_400_000;
const authorityMs = 20 * 365 * dayMs;
const backdatedMs = 365 * dayMs;

/** Throws a RangeError where the file cannot be used; undefined where there is none. */
export function readAuthority(path: string): AuthorityFile | undefined {
  if (!existsSync(path)) return undefined;
  assertPrivate(path);
  try {
    const pem = readFileSync(path, 'utf8');
    const key = createPrivateKey(pem);
    const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g);
    const [root, bridge, earlier] = (blocks ?? []).map((block) => new X509Certificate(block));
    if (!root?.checkPrivateKey(key)) throw new Error('its key and certificate do not fit');
    const hasBefore = bridge !== undefined && earlier !== undefined;
    if (hasBefore && !(bridge.checkPrivateKey(key) && bridge.verify(earlier.publicKey))) {
      throw new Error('the certificates of the authority before do not fit');
    }
    return { key, root, before: hasBefore ? { root: earlier, bridge } : null };
  } catch (error) {
    throw new RangeError(
      `${path} is no certificate authority of ours (${(error as Error).message}): restore it ` +
        'from a backup; without it every site has to join again',
    );
  }
}

/** Durable when it returns. */
export function writeAuthority(path: string, { key, root, before }: AuthorityFile): void {
  const all = [root, ...(before ? [before.bridge, before.root] : [])];
  const pem = key.export({ type: 'pkcs8', format: 'pem' });
  writePrivateFile(path, `${pem}${all.map(String).join('')}`);
}

export async function makeAuthority(subject: string, now: number): Promise<AuthorityFile> {
  const keys = await generateKeys();
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    ...{ name: subject, keys, ...validityFrom(now) },
    extensions: await authorityExtensions(keys.publicKey),
  });
  const key = createPrivateKey(toPem(keys.privateKey));
  return { key, root: new X509Certificate(root.toString('pem')), before: null };
}

/**
 * A new key under the same name, which the one in use vouches for. Same name: then the bridge is
 * "self-issued" (RFC 5280), which our path length of 0 allows.
 */
export async function succeedAuthority(
  current: AuthorityFile,
  signingKey: CryptoKey,
  now: number,
): Promise<AuthorityFile> {
  const issuer = new x509.X509Certificate(current.root.toString());
  const next = await makeAuthority(issuer.subject, now);
  const root = new x509.X509Certificate(next.root.toString());
  const bridge = await x509.X509CertificateGenerator.create({
    ...{ subject: issuer.subject, issuer: issuer.subject, ...validityFrom(now) },
    ...{ publicKey: root.publicKey, signingKey },
    extensions: [
      ...(await authorityExtensions(root.publicKey)),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  const before = { root: current.root, bridge: new X509Certificate(bridge.toString('pem')) };
  return { ...next, before };
}

const validityFrom = (now: number) => ({
  serialNumber: newSerial(),
  notBefore: new Date(now - backdatedMs),
  notAfter: new Date(now + authorityMs),
  signingAlgorithm: algorithm,
});

async function authorityExtensions(publicKey: x509.PublicKeyType): Promise<x509.Extension[]> {
  const { keyCertSign, cRLSign } = x509.KeyUsageFlags;
  return [
    new x509.BasicConstraintsExtension(true, 0, true),
    new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
    await x509.SubjectKeyIdentifierExtension.create(publicKey),
  ];
}
