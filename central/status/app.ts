import { type Handler, Hono, type MiddlewareHandler } from 'hono';
import type { LandingError } from '../landing/landing.ts';
import { auditRoutes } from './audit-routes.ts';
import { authorityRoutes } from './authority-routes.ts';
import { browseRoutes } from './browse-routes.ts';
import { ApiError, errorResponse, notFound } from './errors.ts';
import type { FleetEvents } from './events.ts';
import { fleetRoutes } from './fleet-routes.ts';
import { groupsRoutes } from './groups-routes.ts';
import { ownHostOnly, sameOriginJson, securityHeaders } from './guard.ts';
import { metricsRoute } from './metrics.ts';
import { openapiDocument } from './openapi/openapi.ts';
import type { Page } from './page.ts';
import { probeRoutes } from './probes.ts';
import { type RemoteAccess, signIn } from './sign-in.ts';
import type { StatusOptions } from './status.ts';

export interface StatusParts extends Omit<StatusOptions, 'remote'> {
  events: FleetEvents;
  page: Page;
  /** Central's clock, ms. */
  startedAt: number;
  /** Beyond loopback: who may come in, and under which names of ours. */
  access?: RemoteAccess;
}

/** A path and what answers there. Methods that are not named get 405. */
export interface Route {
  path: string;
  get?: Handler;
  post?: Handler;
}

export function statusApp(parts: StatusParts): Hono {
  const app = new Hono();
  const { access } = parts;
  app.use(securityHeaders, ownHostOnly(parts.listen, access?.names));
  if (access) app.use(signIn(access, parts));
  const document = openapiDocument(parts.version);
  const routes: Route[] = [
    ...fleetRoutes(parts),
    ...authorityRoutes(parts),
    ...browseRoutes(parts),
    ...groupsRoutes(parts),
    ...auditRoutes(parts),
    { path: '/api/v1/events', get: (c) => parts.events.connect(c.req.raw) },
    ...probeRoutes(parts),
    metricsRoute(parts),
    { path: '/openapi.json', get: (c) => c.json(document) },
    ...parts.page.routes,
  ];
  for (const route of routes) mount(app, route, access ? 'https' : 'http');
  app.notFound(() => {
    return errorResponse(notFound('there is no such path', '/openapi.json lists every path'));
  });
  app.onError((error) => errorResponse(asApiError(error, parts)));
  return app;
}

/** HEAD needs no mention: Hono answers it with what GET would, without the body. */
function mount(app: Hono, { path, get, post }: Route, scheme: 'http' | 'https'): void {
  if (get) app.get(path, get);
  if (post) app.post(path, sameOriginJson(scheme), post);
  app.all(path, refuseMethod(post ? (get ? 'GET, HEAD, POST' : 'POST') : 'GET, HEAD'));
}

const refuseMethod =
  (allow: string): MiddlewareHandler =>
  async (c) => {
    throw new ApiError(
      405,
      'method-not-allowed',
      `${c.req.method} is not possible here`,
      `this path takes ${allow}`,
      { allow },
    );
  };

function asApiError(error: Error, { log }: StatusParts): ApiError {
  if (error instanceof ApiError) return error;
  if (isLandingError(error)) {
    const hint = 'central keeps trying; see /readyz and its log';
    return new ApiError(503, `landing-${error.code}`, error.message, hint, { 'retry-after': '5' });
  }
  if (error.name === 'KafkaError') {
    const hint = 'central keeps trying; see its log';
    return new ApiError(503, 'kafka', error.message, hint, { 'retry-after': '5' });
  }
  log.error({ err: error }, 'status request failed');
  return new ApiError(500, 'internal', 'this is a fault of ours', "central's log has the details");
}

/** By name: rooms take types only from each other. */
const isLandingError = (error: Error): error is LandingError => error.name === 'LandingError';
