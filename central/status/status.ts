import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import type { Clock } from '#shared/std/clock.ts';
import { type HttpServer, listenHttp, type SecureContext } from '#shared/std/http-server.ts';
import { isLoopback, parseListen } from '#shared/std/listen-address.ts';
import type { Logger } from '#shared/std/log.ts';
import { Audit } from '../audit.ts';
import type { Enrolment } from '../enrol/enrol.ts';
import type { EdgeView, FleetEvent, FlowView, StreamView } from '../fleet/views.ts';
import type { Landing } from '../landing/landing.ts';
import type { Mirror } from '../mirror/mirror.ts';
import { statusApp } from './app.ts';
import { FleetEvents } from './events.ts';
import { loadPage } from './page.ts';
import type { RemoteAccess } from './sign-in.ts';

/**
 * The status API (DESIGN §9), the metrics and the dashboard, on one loopback listener. Reads the
 * fleet and the landing; changes nothing but through {@link FleetAdmin}.
 */

/** What the status API reads of the fleet; central/fleet/fleet.ts fits it. */
export interface FleetReader {
  edges(): EdgeView[];
  /** undefined when no such site ever said hello or was enrolled. */
  edge(alias: string): (EdgeView & { streams: StreamView[] }) | undefined;
  flows(): FlowView[];
  /** Oldest first: what the ring still holds with an id above `afterId`. */
  events(afterId: number): FleetEvent[];
  /** Calls for every new event. Returns the way to stop it. */
  subscribe(listener: (event: FleetEvent) => void): () => void;
}

/** What a person may do to a site. Resolves when committed, rejects when the landing refuses. */
export interface FleetAdmin {
  adopt(alias: string): Promise<void>;
  disable(alias: string): Promise<void>;
  enable(alias: string): Promise<void>;
  remove(alias: string): Promise<void>;
}

type EnrolmentAdmin = Pick<
  Enrolment,
  'issueToken' | 'enrolled' | 'authority' | 'rotateAuthority' | 'retireAuthority'
>;

export interface StatusOptions {
  /** `host:port`, loopback only; port 0 picks a free one. */
  listen: string;
  landing: Landing;
  /** undefined: the landing is no Kafka, and there are no groups. */
  mirror?: Pick<Mirror, 'groups' | 'apply' | 'audit'> | undefined;
  fleet: FleetReader & FleetAdmin;
  clock: Clock;
  log: Logger;
  version: string;
  /** Where edges connect to, shown to people; null while there is no link. */
  linkUrl: string | null;
  /** Issues join tokens; undefined: the link has no authority of its own. */
  enrolment?: EnrolmentAdmin | undefined;
  /** Clients of /api/v1/events at once. Default 32. */
  maxEventClients?: number;
  /** A second listener, for other machines: TLS, and only for who signs in. */
  remote?: (RemoteAccess & { context: SecureContext }) | undefined;
}

export interface Status {
  /** `http://127.0.0.1:8080`, without a slash at the end. */
  url: string;
  /** null: no listener for other machines. */
  remote: HttpServer | null;
  /** The listener for other machines gets another certificate of central's. */
  secureRemote(context: SecureContext): void;
  app: Hono;
  /** Ends the event streams, finishes requests in flight. Idempotent. */
  close(): Promise<void>;
}

const closeDeadlineMs = 2_000;

/** The app without a socket, for tests and for `openStatus`. */
export function createStatus({ remote, ...options }: StatusOptions) {
  const events = new FleetEvents(options);
  const parts = { ...options, events, page: loadPage(), startedAt: options.clock.now() };
  return {
    app: statusApp(parts),
    remoteApp: remote && statusApp({ ...parts, listen: remote.listen, access: remote }),
    close: () => events.close(),
  };
}

/** Listens; rejects with a ListenError or RangeError that names `status.listen`. */
export async function openStatus(options: StatusOptions): Promise<Status> {
  const { host } = parseListen(options.listen, 'status.listen');
  if (!isLoopback(host)) {
    throw new RangeError(
      `status.listen = "${options.listen}" can be reached from other machines, and the status ` +
        'API has no sign-in there; use "127.0.0.1:8080" and ssh -L, or status.remote',
    );
  }
  const { app, remoteApp, close } = createStatus(options);
  const server = await listenHttp({
    listen: options.listen,
    setting: 'status.listen',
    listener: getRequestListener(app.fetch, { overrideGlobalObjects: false }),
    requestTimeoutMs: 30_000,
  });
  const remote = await openRemote(remoteApp, options).catch(async (error: unknown) => {
    await server.close(0);
    throw error;
  });
  return {
    url: server.url,
    remote,
    secureRemote: (context) => remote?.secure(asServer(context, options.remote!)),
    app,
    async close() {
      close();
      await Promise.all([server.close(closeDeadlineMs), remote?.close(closeDeadlineMs)]);
    },
  };
}

/** Certificates that are shown here are of people and programs, not of sites. */
const asServer = ({ key, cert }: SecureContext, { client }: RemoteAccess): SecureContext => ({
  ...{ key, cert },
  ...(client && { ca: client.ca }),
});

async function openRemote(app: Hono | undefined, { remote, log, clock }: StatusOptions) {
  if (!app || !remote) return null;
  const audit = new Audit(log, () => clock.now());
  return listenHttp({
    listen: remote.listen,
    setting: 'status.remote',
    onRefused: audit.connection,
    tls: { context: asServer(remote.context, remote), askPeer: remote.client !== null },
    listener: getRequestListener(app.fetch, { overrideGlobalObjects: false }),
    requestTimeoutMs: 30_000,
  });
}
