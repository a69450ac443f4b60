import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { isLoopback } from '#shared/std/listen-address.ts';
import type { Credentials } from '../enrol/enrol.ts';
import { ofLanding, Refusal } from './refusal.ts';

/** What a peer has proved about itself. */
export interface Credential {
  /** The alias that it was issued to; null: whatever the peer says is believed. */
  alias: string | null;
  /** The site should renew its certificate soon, whatever its time. */
  isOutdated?: boolean;
}

/** Throws a Refusal when the peer may not come in. `env` is what the listener puts beside. */
export type Authenticate = (request: Request, env: unknown) => Credential;

/** Plain HTTP: whoever can reach loopback is on this machine and believed; nobody else comes in. */
export const loopbackOnly =
  (addressOf: (request: Request, env: unknown) => string | undefined): Authenticate =>
  (request, env) =>
    believe(addressOf(request, env));

function believe(address: string | undefined): Credential {
  const bare = address?.replace(/^::ffff:(?=\d+\.)/i, '');
  if (bare !== undefined && isLoopback(bare)) return { alias: null };
  throw new Refusal(403, 'no-credential', `${address ?? 'this peer'} has shown no certificate`, {
    hint: 'edges on other machines come in through a tunnel to 127.0.0.1, for example ssh -R',
  });
}

/** TLS: the alias is the certificate's, on loopback too. */
export const byCertificate =
  (credentials: Credentials): Authenticate =>
  (_request, env) => {
    const socket = tlsSocketOf(env);
    const certificate = certificateOf(socket);
    if (!socket || !certificate) {
      throw new Refusal(403, 'no-credential', 'this peer has shown no certificate', {
        hint: 'on the gateway: tributary-edge join TOKEN, of "tributary-central enrol ALIAS"',
      });
    }
    try {
      const alias = credentials.identify(certificate, socket.authorized);
      return { alias, isOutdated: credentials.isOutdated(certificate) };
    } catch (error) {
      throw refusalOf(error);
    }
  };

/** What the peer has shown and proved to hold the key of; undefined: nothing. */
export const certificateOf = (socket: TLSSocket | undefined): X509Certificate | undefined =>
  socket?.getPeerX509Certificate?.();

export const tlsSocketOf = (env: unknown): TLSSocket | undefined =>
  (env as { incoming?: { socket?: TLSSocket } } | undefined)?.incoming?.socket;

export const addressOf = (env: unknown): string | undefined => tlsSocketOf(env)?.remoteAddress;

/** By name: rooms take types only from each other. */
export function refusalOf(cause: unknown): unknown {
  if (!(cause instanceof Error) || cause.name !== 'EnrolError') return ofLanding(cause);
  const { status, code, message, hint } = cause as Error & {
    status: 400 | 403 | 409;
    code: string;
    hint?: string;
  };
  return new Refusal(status, code, message, { hint, cause });
}

/** Throws a Refusal when the credential is not for `alias`. */
export function assertMayUse(credential: Credential, alias: string): void {
  if (credential.alias === null || credential.alias === alias) return;
  throw new Refusal(403, 'not-your-alias', `the credential is for "${credential.alias}"`, {
    hint: `set alias = "${credential.alias}" at the edge, or enrol it as "${alias}"`,
  });
}
