import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { MiddlewareHandler } from 'hono';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import { ApiError } from './errors.ts';

/** Beyond loopback nobody reads or changes anything without the token of the settings. */
export interface RemoteAccess {
  listen: string;
  tokenFile: string;
  /** Names that a Host header may have, beside that of `listen`. */
  names: readonly string[];
}

/** Nobody guesses that many characters, so tries need no limit. */
const tokenLengthMin = 32;
const quietMs = 60_000;

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

/** Programs send `Authorization: Bearer TOKEN`; a browser asks for it as a password of any user. */
export function signIn(token: string, parts: { clock: Clock; log: Logger }): MiddlewareHandler {
  const wanted = digest(token);
  let toldAt = Number.NEGATIVE_INFINITY;
  return async (c, next) => {
    const given = tokenIn(c.req.header('authorization') ?? '');
    if (given !== undefined && timingSafeEqual(digest(given), wanted)) return next();
    const now = parts.clock.monotonic();
    if (given !== undefined && now - toldAt >= quietMs) {
      toldAt = now;
      const facts = { audit: true, event: 'refused', code: 'sign-in' };
      parts.log.warn(facts, 'audit: refused: a wrong token at the status API');
    }
    throw new ApiError(
      401,
      'sign-in',
      'this listener answers only who has its token',
      'send "Authorization: Bearer …"; in a browser the token is the password, of any user',
      { 'www-authenticate': 'Basic realm="tributary-central", charset="UTF-8"' },
    );
  };
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
