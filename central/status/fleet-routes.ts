import type { Context } from 'hono';
import type { Route, StatusParts } from './app.ts';
import { ApiError, notFound } from './errors.ts';
import { edgeJson, flowJson, streamJson, time } from './json.ts';
import { aliasOf, query, wholeNumber } from './parameters.ts';
import { signedInAs } from './sign-in.ts';
import type { FleetAdmin } from './status.ts';

const actions = ['adopt', 'disable', 'enable', 'remove'] as const satisfies (keyof FleetAdmin)[];

/** Sites, flows, central itself, and what a person may do to a site. */
export function fleetRoutes(parts: StatusParts): Route[] {
  const { fleet, landing } = parts;
  return [
    {
      path: '/api/v1/edges',
      get: (c) => {
        query(c.req.url, []);
        return c.json({ edges: fleet.edges().map(edgeJson) });
      },
    },
    {
      path: '/api/v1/edges/:alias',
      get: (c) => {
        query(c.req.url, []);
        const edge = known(parts, c);
        return c.json({ ...edgeJson(edge), streams: edge.streams.map(streamJson) });
      },
    },
    enrolRoute(parts),
    ...actions.map((action) => actionRoute(parts, action)),
    {
      path: '/api/v1/flows',
      get: (c) => {
        query(c.req.url, []);
        return c.json({ flows: fleet.flows().map((flow) => flowJson(flow, landing)) });
      },
    },
    {
      path: '/api/v1/central',
      get: async (c) => {
        query(c.req.url, []);
        return c.json(await centralJson(parts));
      },
    },
  ];
}

function actionRoute(parts: StatusParts, action: (typeof actions)[number]): Route {
  return {
    path: `/api/v1/edges/:alias/${action}`,
    post: async (c) => {
      query(c.req.url, []);
      const asked = aliasOf(c.req.param('alias') ?? '');
      // Enrolled, and never came: what it has is a certificate, which this binds too.
      const isEnrolled = parts.enrolment?.enrolled().includes(asked) ?? false;
      const alias = isEnrolled ? asked : known(parts, c).alias;
      await perform(parts.fleet, action, alias);
      parts.log.info(
        { audit: true, event: `edge-${action}`, alias, by: signedInAs(c) },
        'audit: changed by hand',
      );
      return c.json({ alias, action, done: true });
    },
  };
}

/** The token is in the answer and nowhere else. */
function enrolRoute({ enrolment, linkUrl, log }: StatusParts): Route {
  return {
    path: '/api/v1/edges/:alias/enrol',
    post: async (c) => {
      const alias = aliasOf(c.req.param('alias') ?? '');
      const ttl = query(c.req.url, ['ttl']).get('ttl');
      const seconds = wholeNumber('ttl', ttl ?? '86400', 60, 90 * 86_400);
      if (!enrolment) {
        throw new ApiError(
          409,
          'no-authority',
          'sites need no token here: the link is plain HTTP on loopback, or its certificates are ' +
            'those of an outside authority',
          'set link.tls = "own" and restart central',
        );
      }
      const { token, expiresAt } = await enrolment.issueToken(alias, seconds * 1000);
      const facts = { audit: true, event: 'edge-enrol', alias, by: signedInAs(c) };
      log.info(facts, 'audit: a token was asked for');
      return c.json({ alias, token, expiresAt: time(expiresAt), linkUrl });
    },
  };
}

/** A RangeError is the fleet's way to say that this cannot be done to the site as it stands. */
async function perform(fleet: FleetAdmin, action: (typeof actions)[number], alias: string) {
  try {
    await fleet[action](alias);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const hint = `/api/v1/edges/${alias} shows how it stands`;
    throw new ApiError(409, 'not-possible', error.message, hint);
  }
}

function known({ fleet }: StatusParts, c: Context) {
  const alias = aliasOf(c.req.param('alias') ?? '');
  const edge = fleet.edge(alias);
  if (edge === undefined) {
    throw notFound(
      `no site "${alias}" ever came here`,
      '/api/v1/edges lists the sites; a new one appears with its first hello',
    );
  }
  return edge;
}

/** What the dashboard says of central; `now` lets it tell central's clock from its own. */
async function centralJson({ landing, clock, version, linkUrl, startedAt }: StatusParts) {
  const usage = await landing.usage();
  return {
    centralId: landing.centralId,
    version,
    linkUrl,
    startedAt: time(startedAt),
    now: time(clock.now()),
    landing: {
      kind: landing.kind,
      usedBytes: usage?.usedBytes ?? null,
      maxBytes: usage?.maxBytes ?? null,
    },
  };
}
