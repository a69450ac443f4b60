import type { MiddlewareHandler } from 'hono';
import { isLoopback, splitHostPort } from '#shared/std/listen-address.ts';
import { ApiError } from './errors.ts';

/**
 * What keeps other people's web pages out of an API without sign-in: the Host header must be ours
 * (DNS rebinding gives a stranger's name our address), changes need a body type that a form of
 * another site cannot send without a preflight, which is never answered, and an Origin of our own.
 */

/** A page that shows hostile records: nothing runs or loads but our own files. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const headers = {
  'content-security-policy': contentSecurityPolicy,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

const urlLength = 4096;
const bodyBytes = 1024;

/** Outermost: on every answer, errors included. */
export const securityHeaders: MiddlewareHandler = async (c, next) => {
  await next();
  for (const [name, value] of Object.entries(headers)) c.res.headers.set(name, value);
  if (!c.res.headers.has('cache-control')) c.res.headers.set('cache-control', 'no-store');
};

/** Refuses what was not meant for us, before any route looks at it. */
export function ownHostOnly(listen: string, names: readonly string[] = []): MiddlewareHandler {
  const configured = splitHostPort(listen)?.host.toLowerCase();
  return async (c, next) => {
    if (c.req.url.length > urlLength) {
      throw new ApiError(
        414,
        'uri-too-long',
        `the address has ${c.req.url.length} characters; the limit is ${urlLength}`,
        'no path of this API needs that many; see /openapi.json',
      );
    }
    const host = c.req.header('host') ?? new URL(c.req.url).host;
    const name = splitHostPort(host)?.host.toLowerCase();
    if (name === undefined || (!isLoopback(name) && name !== configured && !names.includes(name))) {
      throw new ApiError(
        421,
        'wrong-host',
        `Host ${JSON.stringify(host.slice(0, 120))} is not a name of this listener`,
        `open http://${listen}/ on this machine, or let the proxy send "Host: ${listen}"`,
      );
    }
    await next();
  };
}

/** In front of every change. The body is `{}` or nothing; the type is what matters. */
export const sameOriginJson =
  (scheme: 'http' | 'https'): MiddlewareHandler =>
  async (c, next) => {
    const origin = c.req.header('origin');
    const host = c.req.header('host') ?? new URL(c.req.url).host;
    if (
      (origin !== undefined && origin !== `${scheme}://${host}`) ||
      fromElsewhere(c.req.header())
    ) {
      throw new ApiError(
        403,
        'cross-origin',
        `a page of ${JSON.stringify((origin ?? 'another site').slice(0, 120))} may not change sites`,
        'use the dashboard itself, or "tributary-central edges"',
      );
    }
    const type = c.req.header('content-type')?.split(';')[0]?.trim().toLowerCase();
    if (type !== 'application/json') {
      throw new ApiError(
        415,
        'json-only',
        `Content-Type ${JSON.stringify((type ?? '').slice(0, 120))} is not application/json`,
        "for example: curl -X POST -H 'content-type: application/json' -d '{}' …",
      );
    }
    requireEmptyObject(await readSmall(c.req.raw));
    await next();
  };

const fromElsewhere = (headers: Record<string, string>) =>
  headers['sec-fetch-site'] === 'cross-site' || headers['sec-fetch-site'] === 'same-site';

async function readSmall(request: Request): Promise<string> {
  let bytes = 0;
  const parts: Uint8Array[] = [];
  for await (const part of request.body ?? []) {
    bytes += part.length;
    if (bytes > bodyBytes) {
      throw new ApiError(
        413,
        'body-too-large',
        `the body is over ${bodyBytes} bytes`,
        'send {} or nothing',
      );
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8').trim();
}

function requireEmptyObject(body: string): void {
  if (body === '' || /^\{\s*\}$/.test(body)) return;
  throw new ApiError(
    400,
    'bad-body',
    `body ${JSON.stringify(body.slice(0, 120))} is not {}`,
    'this action takes no arguments: send {} or nothing',
  );
}
