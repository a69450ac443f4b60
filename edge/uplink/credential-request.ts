import 'reflect-metadata';
import { createPrivateKey, createPublicKey, KeyObject, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** A new key, PEM. */
export async function newKey(): Promise<string> {
  const { privateKey } = (await webcrypto.subtle.generateKey(algorithm, true, [
    'sign',
    'verify',
  ])) as webcrypto.CryptoKeyPair;
  return KeyObject.from(privateKey).export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** A certificate request that proves to hold `key`; central chooses all else. Both PEM. */
export async function requestFor(key: string): Promise<string> {
  x509.cryptoProvider.set(webcrypto as never);
  const { subtle } = webcrypto;
  const der = createPrivateKey(key).export({ type: 'pkcs8', format: 'der' });
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const keys = {
    privateKey: await subtle.importKey('pkcs8', der, algorithm, true, ['sign']),
    publicKey: await subtle.importKey('spki', spki, algorithm, true, ['verify']),
  };
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    ...{ name: 'CN=tributary-edge', keys, signingAlgorithm: algorithm },
  });
  return request.toString('pem');
}
