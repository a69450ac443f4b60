import { BlockList } from 'node:net';
import type { Clock } from '#shared/std/clock.ts';
import type { HttpServer } from '#shared/std/http-server.ts';
import { urlHost } from '#shared/std/listen-address.ts';
import type { Logger } from '#shared/std/log.ts';
import { Audit } from './audit.ts';
import type { CentralConfig } from './config.ts';
import type { ServerCertificate } from './enrol/server-certificate.ts';
import { fillFlows } from './fill-flows.ts';
import { openFleet } from './fleet/open-fleet.ts';
import { forwardedAdmin } from './forwarded-admin.ts';
import { openLinkServer } from './intake/link-server.ts';
import { openIntake } from './intake/open-intake.ts';
import type { Landing } from './landing/landing.ts';
import { boundAdmin, openLinkSecurity } from './link-security.ts';
import { openMerge } from './merge/merge.ts';
import type { Mirror } from './mirror/mirror.ts';
import { openLanding } from './open-landing.ts';
import { readClientAuthority } from './status/sign-in.ts';
import { openStatus } from './status/status.ts';
import { addAddress } from './status-access-settings.ts';

export interface CollectorDeps {
  clock: Clock;
  log: Logger;
  version: string;
  /** Gives up starting where that waits for a Kafka. */
  signal?: AbortSignal;
}

export interface Collector {
  statusUrl: string;
  /** For other machines, who need the token; null: not set. */
  remoteStatusUrl: string | null;
  linkUrl: string;
  /** Answers what is in flight, refuses what is new, closes the landing. */
  stop(): Promise<void>;
}

/** Requests under way may take this long when central stops. */
const closeDeadlineMs = 5_000;

/**
 * The collector: landing first, since everything rests on it; then what it knows of the fleet, the
 * front door, and last the status. Stopped in the opposite order.
 */
export async function startCollector(
  config: CentralConfig,
  { clock, log, version, signal }: CollectorDeps,
): Promise<Collector> {
  const closing: (() => unknown)[] = [];
  const stop = async () => {
    for (const close of closing.splice(0).reverse()) await close();
  };
  try {
    const landing = await openLanding(config, { clock, log, signal });
    closing.push(() => landing.close());
    await fillFlows(landing, config.flows);
    const merged = config.flows.filter(({ external }) => !external);
    const merge = openMerge(merged, config.landing.naming);
    const external = config.flows.filter((flow) => flow.external);
    const fleet = await openFleet({ landing, merge, external, clock, log, ...config.fleet });
    closing.push(() => fleet.close());
    landing.onForeign?.(fleet.onForeign);
    const mirror = await openMirrorOf(config, landing, { clock, log });
    closing.push(() => mirror?.close());
    const security = await openLinkSecurity(config, { landing, clock, log });
    const { certificate, enrolment } = security;
    closing.push(() => security.close?.());
    const parts = { landing, merge, fleet, mirror, clock, log, settings: config.intake };
    const intake = openIntake({ ...parts, ...security });
    landing.onForeign?.((alias) => intake.forget(alias));
    closing.push(() => intake.close());
    const everywhere = forwardedAdmin(intake.admin, landing, { clock });
    closing.push(() => everywhere.close());
    const link = await openLinkServer(
      intake.app,
      config.link.listen,
      new Audit(log, () => clock.now()),
      certificate?.context,
    );
    closing.push(() => link.close(closeDeadlineMs));
    certificate?.follow((context) => link.secure(context));
    await landing.serve?.(shownUrl(link, config.link.name));
    // What is shared is left while the door still stands open, and can tell sites to go elsewhere.
    if (landing.serve) closing.push(() => Promise.all([mirror?.close(), landing.close()]));
    const status = await openStatus({
      ...{ landing, mirror, clock, log, version },
      listen: config.status.listen,
      remote: remoteOf(config, certificate),
      fleet: { ...fleet, ...boundAdmin(everywhere.admin, enrolment) },
      enrolment,
      linkUrl: shownUrl(link, config.link.name),
    });
    closing.push(() => status.close());
    certificate?.follow((context) => status.secureRemote(context));
    return {
      statusUrl: status.url,
      remoteStatusUrl: status.remote?.url ?? null,
      linkUrl: shownUrl(link, config.link.name),
      stop,
    };
  } catch (error) {
    await stop().catch((also: unknown) => log.error({ error: String(also) }, 'while giving up'));
    throw error;
  }
}

/** Where there is a Kafka, groups of the sites' own are translated; loaded only then. */
async function openMirrorOf(
  { landing: settings }: CentralConfig,
  { mirror }: Landing,
  deps: Pick<CollectorDeps, 'clock' | 'log'>,
): Promise<Mirror | undefined> {
  if (settings.type !== 'kafka' || !mirror) return undefined;
  const { openMirror } = await import('./mirror/open-mirror.ts');
  const { syncGroupOffsets, longestOutageMs } = settings;
  const topics = {
    ...{ configs: settings.syncTopicConfigs, acls: settings.syncTopicAcls, longestOutageMs },
    exclude: settings.configPropertiesExclude,
  };
  return openMirror({ ...deps, landing: mirror, syncGroupOffsets, topics });
}

/** Signed like the link; a browser is to be told of that authority once. */
function remoteOf(
  { status: { remote }, link }: CentralConfig,
  certificate: ServerCertificate | undefined,
) {
  if (!remote || !certificate) return undefined;
  const all = link.tls.mode === 'own' ? link.tls.names : link.name === null ? [] : [link.name];
  const names = [...all, ...remote.names].map((name) => name.toLowerCase());
  const { client, proxy } = remote;
  const addresses = new BlockList();
  for (const address of proxy?.addresses ?? []) addAddress(addresses, address);
  return {
    ...{ listen: remote.listen, tokenFile: remote.tokenFile, names },
    client: client && { ca: readClientAuthority(client.caFile), names: client.names },
    proxy: proxy && { header: proxy.header, addresses },
    context: certificate.context,
  };
}

/** As sites write it: by the name of the settings where there is one. */
function shownUrl({ url, port }: HttpServer, name: string | null): string {
  return name === null ? url : `${url.split(':')[0]}://${urlHost(name)}:${port}`;
}
