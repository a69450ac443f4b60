import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { formatToken, type JoinToken } from '#shared/wire/enrol.ts';

/** A join token as central keeps it: without its secret. */
export interface TokenRow {
  id: string;
  alias: string;
  /** SHA-256 of the secret, base64url. */
  hash: string;
  createdAt: number;
  expiresAt: number;
  /** The key that it was used for, see keyPin; null: not used. */
  usedFor: string | null;
}

const hashOf = (secret: string): Buffer => createHash('sha256').update(secret).digest();

export function newToken(alias: string, pin: string, now: number, ttlMs: number) {
  const id = randomBytes(8).toString('hex');
  const secret = randomBytes(32).toString('base64url');
  const row: TokenRow = {
    ...{ id, alias, createdAt: now, expiresAt: now + ttlMs, usedFor: null },
    hash: hashOf(secret).toString('base64url'),
  };
  return { row, token: formatToken({ id, secret, pin }) };
}

/** Takes the same time whatever differs. */
export const isSecretOf = (row: TokenRow, { secret }: JoinToken): boolean =>
  timingSafeEqual(Buffer.from(row.hash, 'base64url'), hashOf(secret));
