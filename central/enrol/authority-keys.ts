import 'reflect-metadata';
import { createHash, createPublicKey, KeyObject, randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { EnrolError } from './enrol.ts';

/** Keys of P-256, as the library wants them and as files hold them. */

export type CryptoKey = webcrypto.CryptoKey;

export const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** SHA-256 of a public key (SPKI, DER), base64url. */
export const keyPin = (key: KeyObject): string =>
  createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64url');

/** The key that the request proves to hold. Throws an EnrolError. */
export async function requestedKey(csr: string): Promise<CryptoKey> {
  const bad = (why: string) =>
    new EnrolError(400, 'bad-request', `the certificate request ${why}`, 'update the agent');
  let request: x509.Pkcs10CertificateRequest;
  try {
    request = new x509.Pkcs10CertificateRequest(csr);
    if (!(await request.verify())) throw bad('does not prove that it holds its key');
    const der = Buffer.from(request.publicKey.rawData);
    const { asymmetricKeyDetails } = createPublicKey({ key: der, format: 'der', type: 'spki' });
    if (asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw bad('must be for a P-256 key');
    return await request.publicKey.export(algorithm, ['verify']);
  } catch (error) {
    throw error instanceof EnrolError ? error : bad('cannot be read');
  }
}

export const generateKeys = (): Promise<webcrypto.CryptoKeyPair> =>
  webcrypto.subtle.generateKey(algorithm, true, [
    'sign',
    'verify',
  ]) as Promise<webcrypto.CryptoKeyPair>;

export const toPem = (key: CryptoKey): string =>
  KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }) as string;

export const toCryptoKey = (key: KeyObject): Promise<CryptoKey> =>
  webcrypto.subtle.importKey(
    'pkcs8',
    key.export({ type: 'pkcs8', format: 'der' }),
    algorithm,
    false,
    ['sign'],
  ) as Promise<CryptoKey>;

/** Positive, and of full length: 16 bytes as RFC 5280 allows 20. */
export function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x3f) | 0x40;
  return bytes.toString('hex');
}
