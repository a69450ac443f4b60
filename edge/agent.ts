import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import type { RecordBuffer } from './buffer/buffer.ts';
import { openBuffer } from './buffer/thread.ts';
import type { EdgeConfig, SourceSettings } from './config.ts';
import { Heartbeats } from './heartbeat.ts';
import { kafkaClusters } from './kafka-clusters.ts';
import { KafkaReports } from './kafka-reports.ts';
import { openLinkIdentity } from './link-identity.ts';
import { openHostSource } from './source/host.ts';
import { openHttpSource } from './source/http.ts';
import type { KafkaSource } from './source/kafka.ts';
import { openMqttSource } from './source/mqtt.ts';
import type { Source, SourceContext } from './source/source.ts';
import { openStatus, type Status } from './status.ts';
import { LinkClient } from './uplink/client.ts';
import { Uplink } from './uplink/uplink.ts';

export interface AgentDeps {
  clock: Clock;
  log: Logger;
  random: () => number;
  version: string;
}

export interface Agent {
  statusUrl: string;
  /** Where sources of this agent listen themselves. */
  sourceAddresses: { name: string; address: string }[];
  /** Resolves, with the reason, when it has to start anew to go on as another site. */
  replaced: Promise<string>;
  /** Stops taking in, drains to central for as long as `deadlineMs` allows, closes the buffer. */
  stop(deadlineMs: number): Promise<void>;
}

/** A site that never spoke to central takes records all the same after that. */
const introductionMs = 10_000;

/** Parts of the stopping time, for sources and drain; the rest is for closing in order. */
const sourcesShare = 0.2;
const drainShare = 0.5;

/**
 * The agent: buffer first, since everything rests on it; then the uplink, which may find central
 * down; then the sources, which may start to deliver at once. Stopped in the opposite order.
 */
export async function startAgent(config: EdgeConfig, deps: AgentDeps): Promise<Agent> {
  const { clock, log } = deps;
  const buffer = await openBuffer(config.buffer, { clock, log });
  const closing: (() => Promise<void>)[] = [() => buffer.close()];
  const undo = async () => {
    for (const close of closing.reverse()) await close();
  };
  try {
    const introduced = Promise.withResolvers<void>();
    const context: SourceContext = {
      deliver: (delivery) => buffer.append(delivery),
      positions: (prefix) => buffer.positions(prefix),
      landed: (topic, incarnation) =>
        introduced.promise.then(() => buffer.landedPlaces(topic, incarnation)),
    };
    const { alias } = config;
    const sources = await Promise.all(
      config.sources.map((one) => openSource(one, context, { ...deps, alias })),
    );
    const link = openLink(config, { buffer, sources }, deps);
    const { uplink, heartbeats, kafka, replaced } = link;
    closing.push(link.close);
    const status = await openStatus({
      listen: config.status.listen,
      alias: config.alias,
      version: deps.version,
      clock,
      buffer,
      context,
      uplink: () => uplink.status(),
      sources: () => states(sources),
    });
    closing.push(() => status.close());
    const isKnown = buffer.identity.centralId !== null || config.central.urls.length === 0;
    const waiting = new AbortController();
    closing.push(async () => waiting.abort());
    uplink.onSession(introduced.resolve);
    clock
      .sleep(isKnown ? 0 : introductionMs, waiting.signal)
      .catch(() => undefined)
      .then(introduced.resolve);
    // Without a central everything is kept here, and there is nobody to ask.
    if (config.central.urls.length > 0) {
      uplink.start();
      heartbeats.start();
      kafka?.start();
    }
    for (const source of sources) {
      closing.push(() => source.stop());
      await source.start();
    }
    return { ...describe(status, sources), replaced, stop: (deadlineMs) => stop(deadlineMs) };
    async function stop(deadlineMs: number): Promise<void> {
      // It ends with the connections of the sources that it asks through.
      const told = kafka?.stop();
      // A full buffer may hold deliveries for ever: closing it rejects them, unacknowledged.
      const stopping = Promise.all(sources.map((source) => source.stop()));
      await Promise.race([stopping, clock.sleep(deadlineMs * sourcesShare)]);
      await uplink.stop(deadlineMs * drainShare);
      await heartbeats.stop();
      await undo();
      await told;
    }
  } catch (error) {
    await undo().catch((also: unknown) => log.error({ error: String(also) }, 'while giving up'));
    throw error;
  }
}

const states = (sources: readonly Source[]) => sources.map((source) => source.state());

const isKafka = (source: Source): source is KafkaSource => source.type === 'kafka';

async function openSource(
  settings: SourceSettings,
  context: SourceContext,
  deps: AgentDeps & { alias: string },
): Promise<Source> {
  if (settings.type === 'mqtt') return openMqttSource(settings, context, deps);
  if (settings.type === 'http') return openHttpSource(settings, context, deps);
  if (settings.type === 'kafka') {
    // Its client costs 30 MB, which a gateway without a Kafka need not have.
    const { openKafkaSource } = await import('./source/kafka.ts');
    return openKafkaSource(settings, context, deps);
  }
  return openHostSource(settings, context, deps);
}

function openLink(
  config: EdgeConfig,
  { buffer, sources }: { buffer: RecordBuffer; sources: readonly Source[] },
  { clock, log, random, version }: AgentDeps,
) {
  const identity = openLinkIdentity(config, () => client.url, { clock, log, random });
  const alias = config.alias;
  const agent = version;
  const requestTimeoutMs = config.central.requestTimeoutMs;
  const client = new LinkClient({
    transport: identity.transport,
    urls: config.central.urls,
    alias,
  });
  const uplink = new Uplink({
    ...{ buffer, client, clock, log, random, alias, agent, requestTimeoutMs },
    maxBytesPerSecond: config.central.maxBytesPerSecond,
  });
  const disk = async () => {
    const { bsize, bavail, blocks } = await statfs(dirname(config.buffer.path));
    return { freeBytes: bsize * bavail, totalBytes: bsize * blocks };
  };
  const under = { client, uplink, clock, log, alias, requestTimeoutMs };
  const heartbeats = new Heartbeats({
    ...{ ...under, buffer, agent, disk, sources: () => states(sources) },
  });
  const replicated = sources.filter(isKafka);
  const clusters = () => kafkaClusters(replicated, buffer);
  const kafka = replicated.length > 0 ? new KafkaReports({ ...under, clusters }) : undefined;
  const close = async () => {
    await kafka?.stop();
    await uplink.stop(0);
    await heartbeats.stop();
    await identity.close();
  };
  return { uplink, heartbeats, kafka, close, replaced: identity.replaced };
}

function describe(status: Status, sources: readonly Source[]) {
  const sourceAddresses = sources.flatMap((source) =>
    source.address === undefined ? [] : [{ name: source.name, address: source.address }],
  );
  return { statusUrl: status.url, sourceAddresses };
}
