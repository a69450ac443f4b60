import 'reflect-metadata';
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  KeyObject,
  randomBytes,
  webcrypto,
  X509Certificate,
} from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';
import { aliasUri } from '#shared/wire/enrol.ts';
import { EnrolError } from './enrol.ts';
import { assertPrivate, writePrivateFile } from './private-file.ts';

/**
 * Central's own certificate authority: one P-256 key in a file that only central reads, made at
 * first need. It signs sites' certificates and central's own; nobody else has to trust it.
 */

type CryptoKey = webcrypto.CryptoKey;

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const usage = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' };
export const dayMs = 86_400_000;
const authorityDays = 20 * 365;
/** Certificates are valid from a while ago: clocks of gateways are not exact. */
const backdatedMs = dayMs;

export interface Issued {
  /** PEM. */
  certificate: string;
  serial: string;
  notAfter: number;
  /** SHA-256 of the certified key, base64url. */
  key: string;
}

/** SHA-256 of a public key (SPKI, DER), base64url. */
export const keyPin = (key: KeyObject): string =>
  createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64url');

export class Authority {
  /** PEM. */
  readonly certificate: string;
  readonly pin: string;
  readonly #x509: X509Certificate;
  readonly #issuer: x509.X509Certificate;
  readonly #key: CryptoKey;

  private constructor(certificate: string, key: CryptoKey) {
    this.certificate = certificate;
    this.#x509 = new X509Certificate(certificate);
    this.#issuer = new x509.X509Certificate(certificate);
    this.#key = key;
    this.pin = keyPin(this.#x509.publicKey);
  }

  /** `path` holds key and certificate, PEM; it is made where missing. Throws a RangeError. */
  static async open(path: string, centralId: string, now: number): Promise<Authority> {
    x509.cryptoProvider.set(webcrypto as never);
    if (!existsSync(path)) writePrivateFile(path, await makeAuthority(centralId, now));
    assertPrivate(path);
    try {
      const pem = readFileSync(path, 'utf8');
      const certificate = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----\n?/.exec(
        pem,
      );
      const found = new X509Certificate(certificate![0]);
      const key = createPrivateKey(pem);
      if (!found.checkPrivateKey(key)) throw new Error('its key and certificate do not fit');
      return new Authority(certificate![0], await toCryptoKey(key));
    } catch (error) {
      throw new RangeError(
        `${path} is no certificate authority of ours (${(error as Error).message}): restore it ` +
          'from a backup; without it every site has to join again',
      );
    }
  }

  /** Whether this authority signed it; says nothing of its time. */
  signed(certificate: X509Certificate): boolean {
    return certificate.checkIssued(this.#x509) && certificate.verify(this.#x509.publicKey);
  }

  /** For a site. Of the request only the key counts. Throws an EnrolError. */
  async issueClient(csr: string, alias: string, now: number, lifeMs: number): Promise<Issued> {
    const key = await requestedKey(csr);
    const uri = { type: 'url', value: aliasUri(alias) } as const;
    return this.#issue(key, `CN=${alias}`, [uri], usage.client, now, lifeMs);
  }

  /** For central itself, under these names and addresses; with a new key, PEM. */
  async issueServer(names: readonly string[], now: number, lifeMs: number) {
    const keys = await generateKeys();
    const others = names.map((value) => ({ type: isIP(value) ? 'ip' : 'dns', value }) as const);
    const subject = 'CN=tributary-central';
    const issued = await this.#issue(keys.publicKey, subject, others, usage.server, now, lifeMs);
    return { ...issued, privateKey: toPem(keys.privateKey) };
  }

  async #issue(
    publicKey: CryptoKey,
    subject: string,
    names: x509.JsonGeneralNames,
    extendedUsage: string,
    now: number,
    lifeMs: number,
  ): Promise<Issued> {
    const issued = await x509.X509CertificateGenerator.create({
      ...{ subject, publicKey, signingAlgorithm: algorithm, signingKey: this.#key },
      issuer: this.#issuer.subject,
      serialNumber: newSerial(),
      notBefore: new Date(now - backdatedMs),
      notAfter: new Date(now + lifeMs),
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([extendedUsage]),
        new x509.SubjectAlternativeNameExtension(names),
        await x509.AuthorityKeyIdentifierExtension.create(this.#issuer.publicKey),
      ],
    });
    const certificate = `${issued.toString('pem')}\n`;
    const made = new X509Certificate(certificate);
    const { serialNumber: serial, publicKey: key } = made;
    return { certificate, serial, notAfter: now + lifeMs, key: keyPin(key) };
  }
}

async function makeAuthority(centralId: string, now: number): Promise<string> {
  const keys = await generateKeys();
  const { keyCertSign, cRLSign } = x509.KeyUsageFlags;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: `CN=Tributary ${centralId.slice(0, 8)}`,
    notBefore: new Date(now - 365 * dayMs),
    notAfter: new Date(now + authorityDays * dayMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return `${toPem(keys.privateKey)}${certificate.toString('pem')}\n`;
}

/** The key that the request proves to hold. */
async function requestedKey(csr: string): Promise<CryptoKey> {
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

const generateKeys = (): Promise<webcrypto.CryptoKeyPair> =>
  webcrypto.subtle.generateKey(algorithm, true, [
    'sign',
    'verify',
  ]) as Promise<webcrypto.CryptoKeyPair>;

const toPem = (key: CryptoKey): string =>
  KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }) as string;

const toCryptoKey = (key: KeyObject): Promise<CryptoKey> =>
  webcrypto.subtle.importKey(
    'pkcs8',
    key.export({ type: 'pkcs8', format: 'der' }),
    algorithm,
    false,
    ['sign'],
  ) as Promise<CryptoKey>;

/** Positive, and of full length: 16 bytes as RFC 5280 allows 20. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x3f) | 0x40;
  return bytes.toString('hex');
}
