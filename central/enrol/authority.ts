import 'reflect-metadata';
import { webcrypto, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';
import { aliasUri } from '#shared/wire/enrol.ts';
import {
  type AuthorityFile,
  makeAuthority,
  readAuthority,
  succeedAuthority,
  writeAuthority,
} from './authority-file.ts';
import {
  algorithm,
  type CryptoKey,
  generateKeys,
  keyPin,
  newSerial,
  requestedKey,
  toCryptoKey,
  toPem,
} from './authority-keys.ts';

/**
 * Central's own certificate authority: one P-256 key in a file that only central reads, made at
 * first need. It signs sites' certificates and central's own; nobody else has to trust it.
 *
 * It can be replaced while sites are away: what the new one signs is shown together with a
 * *bridge*, the new key certified by the old one, so that a site that believes either believes us.
 */

const usage = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' };
export const dayMs = 86_400_000;
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

export class Authority {
  readonly #path: string;
  #file: AuthorityFile;
  #issuer: x509.X509Certificate;
  #key: CryptoKey;

  private constructor(path: string, file: AuthorityFile, key: CryptoKey) {
    this.#path = path;
    this.#file = file;
    this.#issuer = new x509.X509Certificate(file.root.toString());
    this.#key = key;
  }

  /** `path` holds key and certificates, PEM; it is made where missing. Throws a RangeError. */
  static async open(path: string, centralId: string, now: number): Promise<Authority> {
    x509.cryptoProvider.set(webcrypto as never);
    let file = readAuthority(path);
    if (!file) {
      file = await makeAuthority(`CN=Tributary ${centralId.slice(0, 8)}`, now);
      writeAuthority(path, file);
    }
    return new Authority(path, file, await toCryptoKey(file.key));
  }

  /** What a site has to believe from now on, PEM. */
  get certificate(): string {
    return this.#file.root.toString();
  }

  get pin(): string {
    return keyPin(this.#file.root.publicKey);
  }

  /** Pin of the authority before, while sites may still believe only that one; else null. */
  get pinBefore(): string | null {
    const { before } = this.#file;
    return before && keyPin(before.root.publicKey);
  }

  /** What goes with a certificate of ours, so that whoever believes either root believes it. */
  get chain(): string {
    const { root, before } = this.#file;
    return [...(before ? [before.bridge, before.root] : []), root].map(String).join('');
  }

  /** Pin of the authority of ours that signed it, undefined: none. Says nothing of its time. */
  signer(certificate: X509Certificate): string | undefined {
    const { root, before } = this.#file;
    const roots = [root, ...(before ? [before.root] : [])];
    const found = roots.find(
      (one) => certificate.checkIssued(one) && certificate.verify(one.publicKey),
    );
    return found && keyPin(found.publicKey);
  }

  /**
   * A new key signs from now on, and the one before is thrown away once it has vouched for it; what
   * it signed stays good until {@link retire}. Durable when resolved. Throws a RangeError while the
   * one before that is still believed.
   */
  async rotate(now: number): Promise<void> {
    if (this.#file.before) {
      throw new RangeError('the authority before this one was not retired yet: do that first');
    }
    const file = await succeedAuthority(this.#file, this.#key, now);
    const key = await toCryptoKey(file.key);
    writeAuthority(this.#path, file);
    this.#file = file;
    this.#key = key;
    this.#issuer = new x509.X509Certificate(file.root.toString());
  }

  /** Nothing that the authority before signed is good any longer. */
  retire(): void {
    const file = { ...this.#file, before: null };
    writeAuthority(this.#path, file);
    this.#file = file;
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
