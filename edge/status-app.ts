import type { HttpBindings } from '@hono/node-server';
import { type Handler, Hono, type MiddlewareHandler } from 'hono';
import { isLoopback, splitHostPort } from '#shared/std/listen-address.ts';
import { Metrics, processFamilies } from '#shared/std/metrics.ts';
import { limits } from '#shared/wire/limits.ts';
import type { ErrorBody } from '#shared/wire/link.ts';
import { recordsRoute } from './source/http-records.ts';
import type { SourceContext } from './source/source.ts';
import { edgeFamilies } from './status-metrics.ts';
import { openapiDocument } from './status-openapi.ts';
import { loadPage, type PageFile } from './status-page.ts';
import { inTime, StoreTrouble, type sharedProbe } from './status-probe.ts';
import { type StatusSubject, statusJson, takeSnapshot } from './status-snapshot.ts';

export type StatusEnv = { Bindings: HttpBindings | undefined };
type StatusHandler = Handler<StatusEnv>;

export interface StatusParts extends StatusSubject {
  /** Where `POST /v1/records/{topic}` delivers to, for `send`. */
  context: SourceContext;
  /** Monotonic, ms. */
  startedAt: number;
  probe: ReturnType<typeof sharedProbe>;
}

/** The agent's local API. Reads only, but for the records that programs on this machine send. */
export function statusApp(parts: StatusParts): Hono<StatusEnv> {
  const app = new Hono<StatusEnv>();
  app.use(plainHeaders, ownNameOnly);
  const gets: { readonly [path: string]: StatusHandler } = {
    ...pageRoutes(loadPage()),
    '/livez': (c) => c.json({ status: 'ok', version: parts.version, checks: {} }),
    '/healthz': healthRoute(parts),
    '/readyz': healthRoute(parts),
    '/metrics': metricsRoute(parts),
    '/api/v1/status': statusRoute(parts),
    '/openapi.json': (c) => c.json(openapiDocument(parts.version)),
  };
  for (const [path, handler] of Object.entries(gets)) {
    app.get(path, handler);
    app.all(path, (c) => {
      const message = `${c.req.method} is not possible here`;
      return failure(405, 'method-not-allowed', message, 'use GET', { allow: 'GET, HEAD' });
    });
  }
  app.route('/', recordsRoute(parts.context, { clock: parts.clock, loopbackOnly: true }));
  app.notFound(() => {
    return failure(404, 'not-found', 'there is no such path', '/openapi.json lists every path');
  });
  app.onError((error) => {
    if (!(error instanceof StoreTrouble)) {
      return failure(500, 'internal', String(error), 'please report this');
    }
    const hint = "the gateway's disk may be failing or very busy; see its kernel log";
    return failure(503, error.code, error.message, hint, { 'retry-after': '5' });
  });
  return app;
}

const pageRoutes = (files: { readonly [path: string]: PageFile }) =>
  Object.fromEntries(
    Object.entries(files).map(([path, { body, headers }]): [string, StatusHandler] => [
      path,
      (c) => c.body(body, 200, headers),
    ]),
  );

/**
 * Healthy and ready: the store answers and can write, without which nothing can be accepted. A
 * central that is away changes neither: that is what the buffer is for.
 */
const healthRoute =
  ({ probe, version }: StatusParts): StatusHandler =>
  async (c) => {
    const store = await probe();
    const status = store.ok ? 'ok' : 'failing';
    return c.json({ status, version, checks: { store } }, store.ok ? 200 : 503);
  };

function metricsRoute(parts: StatusParts): StatusHandler {
  const metrics = new Metrics();
  return async (c) => {
    const snapshot = await inTime(parts.clock, takeSnapshot(parts, 1, 0));
    const families = [...edgeFamilies(snapshot, parts.version), ...processFamilies()];
    return c.body(await metrics.text(families), 200, { 'content-type': metrics.contentType });
  };
}

const shownStreams = 200;
const shownLosses = 50;

const statusRoute =
  (parts: StatusParts): StatusHandler =>
  async (c) => {
    const wanted = c.req.query('streams');
    const streams = wanted === undefined ? shownStreams : Number(wanted);
    if (!Number.isInteger(streams) || streams < 1 || streams > limits.streamsPerEdge) {
      const message = `streams = ${JSON.stringify(wanted?.slice(0, 100))} is no number of streams`;
      const hint = `a whole number from 1 to ${limits.streamsPerEdge}; without it ${shownStreams}`;
      return failure(400, 'bad-parameter', message, hint);
    }
    const snapshot = await inTime(parts.clock, takeSnapshot(parts, streams, shownLosses));
    return c.json(statusJson(parts, parts.startedAt, snapshot));
  };

function failure(
  status: number,
  code: string,
  message: string,
  hint: string,
  headers: { readonly [name: string]: string } = {},
): Response {
  const body: ErrorBody = { error: { code, message, hint } };
  return Response.json(body, { status, headers });
}

const plainHeaders: MiddlewareHandler = async (c, next) => {
  await next();
  c.res.headers.set('x-content-type-options', 'nosniff');
  c.res.headers.set('cross-origin-resource-policy', 'same-origin');
  c.res.headers.set('cache-control', 'no-store');
};

/** A stranger's name made to resolve to this machine would let his pages read our answers. */
const ownNameOnly: MiddlewareHandler = async (c, next) => {
  const host = c.req.header('host') ?? new URL(c.req.url).host;
  const name = splitHostPort(host)?.host;
  if (name !== undefined && isLoopback(name)) return next();
  const shown = JSON.stringify(host.slice(0, 100));
  const message = `Host ${shown} is not a name of this machine for itself`;
  const hint = 'use http://localhost and the port; from elsewhere, ssh -L or a proxy that says so';
  return failure(421, 'wrong-host', message, hint);
};
