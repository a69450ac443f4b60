import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import { type HttpServer, listenHttp, type SecureContext } from '#shared/std/http-server.ts';
import type { Audit } from '../audit.ts';

/** A request of 8 MiB over a slow link takes its time; the intake bounds bodies by itself. */
const requestTimeoutMs = 120_000;

/** Puts the intake on a socket. Rejects with a ListenError that names `link.listen`. */
export const openLinkServer = (
  app: Hono,
  listen: string,
  audit: Audit,
  context?: SecureContext,
): Promise<HttpServer> =>
  listenHttp({
    listen,
    onRefused: audit.connection,
    ...(context && { tls: { context, askPeer: true } }),
    setting: 'link.listen',
    listener: getRequestListener(app.fetch),
    requestTimeoutMs,
  });
