import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { isIP } from 'node:net';
import tls from 'node:tls';
import { checkEnrolAnswer, enrolPath, formatToken, type JoinToken } from '#shared/wire/enrol.ts';
import { type Credential, pinOf, saveCredential, writePrivate } from './credential.ts';
import { newKey, requestFor } from './credential-request.ts';
import { HttpTransport } from './http-transport.ts';
import { chainOf } from './tls-connect.ts';

export interface JoinOptions {
  token: JoinToken;
  /** Base address of central, https. */
  url: string;
  /** Where the credential goes. */
  path: string;
  /** What the settings call this gateway already; null: nothing yet. */
  alias: string | null;
  signal?: AbortSignal;
}

/** It could not be done; the message says why and what to do. */
export class JoinError extends Error {
  override name = 'JoinError';
  /** Central has judged the token: asking again does not help. */
  readonly isFinal: boolean;

  constructor(message: string, isFinal = false) {
    super(message);
    this.isFinal = isFinal;
  }
}

const timeoutMs = 30_000;

/**
 * Makes this gateway its site. The key is made first and kept beside the credential until that is
 * written: when the answer is lost on the way, the same command finishes what it began.
 */
export async function join(options: JoinOptions): Promise<Credential> {
  const { token, url, path, alias, signal } = options;
  const ca = await authorityOf(url, token.pin, signal);
  const keyPath = `${path}.key`;
  if (!existsSync(keyPath)) writePrivate(keyPath, await newKey());
  const key = readFileSync(keyPath, 'utf8');
  const transport = new HttpTransport({ ca });
  try {
    const request = { token: formatToken(token), csr: await requestFor(key), alias };
    const response = await transport.post({
      url,
      path: enrolPath.enrol,
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify(request)),
      ...{ timeoutMs, signal },
    });
    const text = Buffer.from(response.body).toString('utf8');
    if (response.status !== 200) throw refusalIn(text, response.status);
    const answer = checkEnrolAnswer(JSON.parse(text));
    const made = new X509Certificate(answer.certificate);
    if (!made.verify(new X509Certificate(answer.ca).publicKey)) {
      throw new JoinError('central answered with a certificate that its authority did not sign');
    }
    const { alias: name, certificate } = answer;
    // The authority of today: another than the pinned one, where that was replaced meanwhile.
    const credential = { alias: name, key, certificate, ca: answer.ca, url, tokenId: token.id };
    saveCredential(path, credential);
    rmSync(keyPath);
    return credential;
  } finally {
    transport.close();
  }
}

/**
 * First contact: nothing is sent before central has shown the authority that the token pins; the
 * next connection trusts that one alone. PEM.
 */
export function authorityOf(url: string, pin: string, signal?: AbortSignal): Promise<string> {
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      socket.destroy();
      reject(new JoinError(`${url}: ${why}`));
    };
    const socket = tls.connect({
      ...{ host, port: Number(port || 443), servername: isIP(host) === 0 ? host : '' },
      minVersion: 'TLSv1.3',
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
    });
    const late = () => fail(`no answer within ${timeoutMs / 1000} s`);
    AbortSignal.timeout(timeoutMs).addEventListener('abort', late, { once: true });
    signal?.addEventListener('abort', () => fail('given up'), { once: true });
    socket.once('error', (error) => fail(`cannot be reached (${error.message}); check --url`));
    socket.once('secureConnect', () => {
      const found = chainOf(socket.getPeerX509Certificate()).find(
        (one) => one.verify(one.publicKey) && pinOf(one) === pin,
      );
      if (!found) return fail('this is not the central that issued the token; check --url');
      socket.destroy();
      resolve(found.toString());
    });
  });
}

function refusalIn(text: string, status: number): JoinError {
  try {
    const { error } = JSON.parse(text) as { error: { message: string; hint?: string } };
    const said = error.hint ? `${error.message}; ${error.hint}` : error.message;
    return new JoinError(said, status === 400 || status === 403 || status === 409);
  } catch {
    return new JoinError(`central answered ${status}, and not as a central does; check --url`);
  }
}
