import { createHash, timingSafeEqual, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { BlockList } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Context, MiddlewareHandler } from 'hono';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import { Audit } from '../audit.ts';
import { ApiError } from './errors.ts';

/**
 * Beyond loopback nobody reads or changes anything without one of these: the token of the settings,
 * a certificate of an authority for people and programs, or the word of a reverse proxy.
 */
export interface RemoteAccess {
  listen: string;
  /** Names that a Host header may have, beside that of `listen`. */
  names: readonly string[];
  tokenFile: string | null;
  /** Whom certificates are of, PEM; null: none is taken. */
  client: { ca: string; names: readonly string[] | null } | null;
  /** The header is believed from these addresses alone. */
  proxy: { header: string; addresses: BlockList } | null;
}

/** Nobody guesses that many characters, so tries need no limit. */
const tokenLengthMin = 32;

/** Throws a RangeError that names the setting. */
export function readToken(file: string): string {
  let token: string;
  try {
    token = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new RangeError(
      `status.token_file = "${file}" cannot be read: ${(error as Error).message}`,
    );
  }
  if (token.length >= tokenLengthMin && /^[\x21-\x7e]+$/.test(token)) return token;
  throw new RangeError(
    `status.token_file = "${file}" holds no token of ${tokenLengthMin} characters or more; ` +
      'for example: openssl rand -hex 32',
  );
}

/** Throws a RangeError that names the setting. */
export function readClientAuthority(file: string): string {
  try {
    const pem = readFileSync(file, 'utf8');
    new X509Certificate(pem);
    return pem;
  } catch (error) {
    throw new RangeError(
      `status.client_ca_file = "${file}" cannot be used: ${(error as Error).message}`,
    );
  }
}

/** Who asks, for the audit: `token`, `certificate NAME`, `proxy NAME`. */
export const signedInAs = (c: Context): string => (c.get('by') as string | undefined) ?? 'local';

/** Programs send `Authorization: Bearer TOKEN`; a browser asks for it as a password of any user. */
export function signIn(
  access: RemoteAccess,
  { clock, log }: { clock: Clock; log: Logger },
): MiddlewareHandler {
  const wanted = access.tokenFile === null ? undefined : digest(readToken(access.tokenFile));
  const audit = new Audit(log, () => clock.now());
  return async (c, next) => {
    const socket = (c.env as { incoming?: { socket?: TLSSocket } } | undefined)?.incoming?.socket;
    const address = socket?.remoteAddress?.replace(/^::ffff:(?=\d+\.)/i, '');
    const given = tokenIn(c.req.header('authorization') ?? '');
    const hasToken = wanted && given !== undefined && timingSafeEqual(digest(given), wanted);
    const by =
      personOf(access, c, address) ??
      certifiedName(access, socket) ??
      (hasToken ? 'token' : undefined);
    if (by !== undefined) {
      c.set('by', by);
      return next();
    }
    const refusal = new ApiError(
      401,
      'sign-in',
      'this listener answers only who has signed in',
      adviceFor(access),
      wanted && { 'www-authenticate': 'Basic realm="tributary-central", charset="UTF-8"' },
    );
    // Asking once without anything is what every browser does.
    const tried = given !== undefined || socket?.getPeerX509Certificate?.() !== undefined;
    throw tried ? audit.refused(refusal, { address }) : refusal;
  };
}

function personOf({ proxy }: RemoteAccess, c: Context, address: string | undefined) {
  if (!proxy || address === undefined) return undefined;
  if (!proxy.addresses.check(address, address.includes(':') ? 'ipv6' : 'ipv4')) return undefined;
  const name = c.req.header(proxy.header)?.trim();
  return name !== undefined && /^[^\p{C}]{1,200}$/u.test(name) ? `proxy ${name}` : undefined;
}

/** A site's certificate is for its link, whoever signed it. */
function certifiedName({ client }: RemoteAccess, socket: TLSSocket | undefined) {
  const certificate = client && socket?.authorized ? socket.getPeerX509Certificate() : undefined;
  if (!certificate || certificate.ca) return undefined;
  const isClient = certificate.keyUsage?.includes('1.3.6.1.5.5.7.3.2') ?? true;
  if (!isClient || certificate.subjectAltName?.includes('tributary:edge:')) return undefined;
  const name = /^CN=(.+)$/m.exec(certificate.subject)?.[1];
  if (name === undefined) return undefined;
  return client!.names === null || client!.names.includes(name) ? `certificate ${name}` : undefined;
}

function adviceFor({ tokenFile, client, proxy }: RemoteAccess): string {
  return [
    ...(tokenFile === null
      ? []
      : ['send "Authorization: Bearer …"; in a browser the token is the password, of any user']),
    ...(client ? ['show a certificate of status.client_ca_file'] : []),
    ...(proxy ? ['come in through the proxy'] : []),
  ].join('; or ');
}

function tokenIn(header: string): string | undefined {
  const [, scheme = '', value = ''] = /^(\S+) +(\S+)$/.exec(header) ?? [];
  if (scheme.toLowerCase() === 'bearer') return value;
  if (scheme.toLowerCase() !== 'basic') return undefined;
  return Buffer.from(value, 'base64')
    .toString('utf8')
    .replace(/^[^:]*:/, '');
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
