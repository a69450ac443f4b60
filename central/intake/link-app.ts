import { type Context, Hono } from 'hono';
import { aliasProblem } from '#shared/wire/alias.ts';
import { checkKafkaReport } from '#shared/wire/kafka-report-check.ts';
import { limits } from '#shared/wire/limits.ts';
import { linkHeader, linkPath, segmentsContentType } from '#shared/wire/link.ts';
import { checkHeartbeat, checkHello } from '#shared/wire/link-check.ts';
import { Audit } from '../audit.ts';
import type { Enrolment } from '../enrol/enrol.ts';
import { type Authenticate, addressOf, assertMayUse } from './authenticate.ts';
import { withBody } from './body.ts';
import { enrolRoutes } from './enrol-routes.ts';
import { parseJson } from './json-body.ts';
import { landHeartbeat, type Received } from './land-heartbeat.ts';
import { landReport } from './land-report.ts';
import { landSegments } from './land-segments.ts';
import type { Lane } from './lane.ts';
import type { Lanes } from './lanes.ts';
import type { MemoryBudget } from './memory-budget.ts';
import type { Sessions } from './open-session.ts';
import type { IntakeParts } from './parts.ts';
import { Refusal, sayHello } from './refusal.ts';

export interface LinkParts extends IntakeParts {
  authenticate: Authenticate;
  enrolment: Enrolment | undefined;
  lanes: Lanes;
  sessions: Sessions;
  budget: MemoryBudget;
}

/** One request whose sender is known, before its body is read. */
interface Incoming {
  alias: string;
  request: Request;
  received: Received;
  /** The answer asks for another certificate. */
  renew: boolean;
}

/** The paths of the link (DESIGN §5). */
export function linkApp(parts: LinkParts): Hono {
  const app = new Hono();
  const audit = new Audit(parts.log, () => parts.clock.now());
  const post = (
    path: string,
    type: string,
    answer: (incoming: Incoming) => Promise<object>,
  ): void => {
    app.post(path, async (c) => {
      const incoming = enter(parts, c, type);
      const headers = incoming.renew ? { [linkHeader.renew]: '1' } : undefined;
      return Response.json(await answer(incoming), { headers });
    });
    app.all(path, () => {
      throw new Refusal(405, 'method-not-allowed', `${path} takes POST`);
    });
  };
  post(linkPath.hello, 'application/json', (incoming) => hello(parts, incoming));
  post(linkPath.segments, segmentsContentType, (incoming) => segments(parts, incoming));
  post(linkPath.heartbeat, 'application/json', (incoming) => heartbeat(parts, incoming));
  post(linkPath.kafka, 'application/json', (incoming) => kafkaReport(parts, incoming));
  const { enrolment, budget, clock, settings } = parts;
  if (enrolment) enrolRoutes(app, enrolment, { budget, clock, timeoutMs: settings.bodyTimeoutMs });
  app.notFound(() => {
    const hint = `edges use ${Object.values(linkPath).join(', ')}; people the status API`;
    return new Refusal(404, 'not-found', 'there is no such path', { hint }).response();
  });
  app.onError((error, c) => {
    if (error instanceof Refusal) return told(audit, error, c).response();
    parts.log.error({ err: error, path: c.req.path }, 'link request failed');
    const hint = "central's log has the details";
    return new Refusal(500, 'internal', 'this is a fault of ours', { hint }).response();
  });
  return app;
}

/** Statuses that no agent of ours gets in good order: somebody tries, or something is broken. */
const suspicious = new Set([400, 403, 405, 408, 413, 415]);

/** What enrolment refused it has told already. */
function told(audit: Audit, refusal: Refusal, c: Context): Refusal {
  const isTold = (refusal.cause as Error | undefined)?.name === 'EnrolError';
  if (isTold || !suspicious.has(refusal.status)) return refusal;
  const said = c.req.header(linkHeader.alias);
  const alias = aliasProblem(said) === undefined ? said : undefined;
  return audit.refused(refusal, {
    alias,
    address: addressOf(c.env),
    path: c.req.path.slice(0, 200),
  });
}

/** Who it is, and whether it may come in: all that can be told without the body. */
function enter(parts: LinkParts, c: Context, type: string): Incoming {
  const { clock } = parts;
  const request = c.req.raw;
  const received = { at: clock.now(), mono: clock.monotonic() };
  if (parts.lanes.closed) {
    throw new Refusal(503, 'stopping', 'central is being stopped', { retryAfterSeconds: 2 });
  }
  // No agent sends one: a page in a browser on this machine is not to be taken for a site.
  const origin = request.headers.get('origin');
  if (origin !== null) throw new Refusal(403, 'cross-origin', `a page of ${origin} is no edge`);
  const credential = parts.authenticate(request, c.env);
  const alias = request.headers.get(linkHeader.alias);
  const problem = aliasProblem(alias);
  if (alias === null || problem) {
    throw new Refusal(400, 'bad-alias', `${linkHeader.alias} = "${alias ?? ''}" ${problem}`);
  }
  assertMayUse(credential, alias);
  assertOurs(parts, alias);
  const sent = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (sent !== type) {
    throw new Refusal(415, 'wrong-type', `Content-Type is "${sent ?? ''}", not "${type}"`);
  }
  return { alias, request, received, renew: credential.isOutdated === true };
}

/** Another collector's sites are sent there before their body is read. */
function assertOurs({ landing, lanes }: LinkParts, alias: string): void {
  const route = landing.route?.(alias) ?? { to: 'here' };
  if (route.to === 'here') return;
  lanes.forget(alias);
  if (route.to === 'other') {
    const { url } = route;
    const said =
      url === null
        ? `this collector stops, and leaves "${alias}" to others`
        : `"${alias}" is served at ${url}`;
    throw new Refusal(421, 'misdirected', said, { location: url ?? undefined });
  }
  throw new Refusal(503, 'moving', `"${alias}" is being taken over by another collector`, {
    retryAfterSeconds: 1,
  });
}

/** Reads the body within its bounds, then waits for the alias' turn. */
function inTurn<T>(
  parts: LinkParts,
  { alias, request }: Incoming,
  bytesMax: number,
  use: (body: Uint8Array, lane: Lane) => Promise<T>,
): Promise<T> {
  const { budget, clock, lanes } = parts;
  const rules = { alias, bytesMax, budget, clock, timeoutMs: parts.settings.bodyTimeoutMs };
  return withBody(request, rules, (body) => lanes.run(alias, (lane) => use(body, lane))).catch(
    (error: unknown) => {
      // The site went to another meanwhile: it need not come here again to hear of that.
      if (error instanceof Refusal && error.code.startsWith('landing-')) assertOurs(parts, alias);
      throw error;
    },
  );
}

async function hello(parts: LinkParts, incoming: Incoming): Promise<object> {
  return inTurn(parts, incoming, limits.helloBytes, (body, lane) => {
    const said = parseJson(body, checkHello);
    assertSame('alias', said.alias, incoming.alias);
    return parts.sessions.open(lane, said, incoming.received.mono);
  });
}

async function segments(parts: LinkParts, incoming: Incoming): Promise<object> {
  const session = sessionOf(parts, incoming);
  const acceptClock = clockOf(incoming.request);
  return inTurn(parts, incoming, limits.requestBytes, (body, lane) =>
    landSegments(parts, lane, { session, acceptClock, body, receivedMono: incoming.received.mono }),
  );
}

async function heartbeat(parts: LinkParts, incoming: Incoming): Promise<object> {
  const session = sessionOf(parts, incoming);
  return inTurn(parts, incoming, limits.heartbeatBytes, async (body, lane) => {
    const said = parseJson(body, checkHeartbeat);
    assertSame('alias', said.alias, incoming.alias);
    assertSame('session', said.session, session);
    await landHeartbeat(parts, lane, said, incoming.received);
    return {};
  });
}

async function kafkaReport(parts: LinkParts, incoming: Incoming): Promise<object> {
  const session = sessionOf(parts, incoming);
  return inTurn(parts, incoming, limits.kafkaReportBytes, (body, lane) => {
    const said = parseJson(body, checkKafkaReport);
    assertSame('alias', said.alias, incoming.alias);
    assertSame('session', said.session, session);
    return landReport(parts, lane, said);
  });
}

/** A session that is known to be over is told so before its body is read. */
function sessionOf(parts: LinkParts, { alias, request }: Incoming): string {
  const session = request.headers.get(linkHeader.session) ?? '';
  if (!/^[0-9a-f]{32}$/.test(session)) {
    throw new Refusal(
      400,
      'bad-session',
      `${linkHeader.session} = "${session.slice(0, 100)}" is not 32 lowercase hexadecimal digits`,
    );
  }
  const known = parts.lanes.known(alias);
  if (known && known.session !== session) {
    throw sayHello(`session ${session} of "${alias}" was ended by a newer one`);
  }
  return session;
}

function clockOf(request: Request): number | null {
  const text = request.headers.get(linkHeader.clock);
  if (text === null) return null;
  if (/^\d{1,16}$/.test(text)) return Number(text);
  throw new Refusal(
    400,
    'bad-clock',
    `${linkHeader.clock} = "${text.slice(0, 100)}" is not a number of milliseconds`,
  );
}

function assertSame(what: string, inBody: string, inHeader: string): void {
  if (inBody === inHeader) return;
  throw new Refusal(
    400,
    'mismatch',
    `${what} is "${inBody}" in the body and "${inHeader}" in the header`,
  );
}
