import { isLoopback } from '#shared/std/listen-address.ts';
import { Refusal } from './refusal.ts';

/** What a peer has proved about itself. */
export interface Credential {
  /** The alias that it was issued to; null: whatever the peer says is believed. */
  alias: string | null;
}

/** Throws a Refusal when the peer may not come in at all. `address`: undefined when not known. */
export type Authenticate = (address: string | undefined) => Credential;

/**
 * Whoever can reach loopback is on this machine and believed; nobody else comes in without a
 * certificate.
 */
export const loopbackOnly: Authenticate = (address) => {
  const bare = address?.replace(/^::ffff:(?=\d+\.)/i, '');
  if (bare !== undefined && isLoopback(bare)) return { alias: null };
  throw new Refusal(403, 'no-credential', `${address ?? 'this peer'} has shown no certificate`, {
    hint: 'edges on other machines come in through a tunnel to 127.0.0.1, for example ssh -R',
  });
};

/** Throws a Refusal when the credential is not for `alias`. */
export function assertMayUse(credential: Credential, alias: string): void {
  if (credential.alias === null || credential.alias === alias) return;
  throw new Refusal(403, 'not-your-alias', `the credential is for "${credential.alias}"`, {
    hint: `set alias = "${credential.alias}" at the edge, or enrol it as "${alias}"`,
  });
}
