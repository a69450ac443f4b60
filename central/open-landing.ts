import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import type { Clock } from '#shared/std/clock.ts';
import { globMatcher } from '#shared/std/glob.ts';
import { type Logger, silentLog } from '#shared/std/log.ts';
import type { Asked } from '#shared/std/settings-command.ts';
import type { Naming } from '#shared/wire/mm2-topics.ts';
import type { CentralConfig, KafkaLandingSettings } from './config.ts';
import { openEmbeddedLanding } from './landing/embedded.ts';
import type { CopyFlows } from './landing/kafka-copy-sources.ts';
import type { Landing } from './landing/landing.ts';
import { openMerge } from './merge/merge.ts';

interface Deps {
  clock: Clock;
  log: Logger;
  /** Gives up waiting for a Kafka that does not answer. */
  signal?: AbortSignal | undefined;
}

/** The landing that the settings name. What Kafka needs is loaded only where it is wanted. */
export async function openLanding(config: CentralConfig, deps: Deps): Promise<Landing> {
  const { landing } = config;
  return landing.type === 'embedded'
    ? openEmbeddedLanding(landing, deps)
    : openInKafka(config, landing, deps);
}

async function openInKafka(
  { alias, flows }: CentralConfig,
  landing: KafkaLandingSettings,
  { clock, log, signal }: Deps,
): Promise<Landing> {
  const { openKafka } = await import('#shared/kafka/open-kafka.ts');
  const { readConnection } = await import('#shared/kafka/connection-settings.ts');
  const { openKafkaLanding } = await import('./landing/kafka.ts');
  const connection = await readConnection(landing.connection);
  const kafka = openKafka({ ...connection, clientId: `tributary-central-${hostname()}` }, { log });
  const giveUp = () => void kafka.close();
  signal?.addEventListener('abort', giveUp, { once: true });
  try {
    return await openKafkaLanding(
      { ...landing, alias, flows: nameOf(flows, landing.naming), copies: copiesOf(flows) },
      { kafka, clock, log, signal },
    );
  } catch (error) {
    await kafka.close();
    throw error;
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }
}

/** What `check` tells of the cluster. */
export async function askCluster(
  { connection: values, ...landing }: KafkaLandingSettings,
  flows: CentralConfig['flows'],
): Promise<Asked> {
  const { openKafka } = await import('#shared/kafka/open-kafka.ts');
  const { readConnection } = await import('#shared/kafka/connection-settings.ts');
  const { checkCluster, unreadable } = await import('./landing/kafka-check.ts');
  const { brokers } = values;
  const connection = await readConnection(values).catch((error: Error) => error);
  if (connection instanceof Error) return unreadable(brokers, connection);
  const settings = { ...connection, clientId: 'tributary-check', requestTimeoutMs: 15_000 };
  const kafka = openKafka(settings, { log: silentLog });
  try {
    return await checkCluster(kafka, { ...landing, brokers, flows, copies: copiesOf(flows) });
  } finally {
    await kafka.close();
  }
}

/** What is merged by copying: topics that others write, and what is older than its flow. */
function copiesOf(flows: CentralConfig['flows']): CopyFlows {
  const external = flows.filter((flow) => flow.external);
  const own = flows.filter((flow) => !flow.external);
  const feeds = openMerge(own);
  const earliest = openMerge(own.filter(({ start }) => start === 'earliest'));
  const matchers = external.map(({ into, from, start }) => {
    return { into, start, takes: globMatcher(from) };
  });
  return {
    any: external.length > 0 || earliest.flows.length > 0,
    externalTargets: (topic) => matchers.filter(({ takes }) => takes(topic)),
    fillTargets: (remoteTopic) => earliest.targets(remoteTopic),
    feedTargets: (remoteTopic) => feeds.targets(remoteTopic),
  };
}

/**
 * The same for the same flows, in whatever order they are written, and the same naming: collectors
 * where they differ share no sites.
 */
function nameOf(flows: CentralConfig['flows'], naming: Naming): string {
  const sorted = flows
    .map(({ into, from, external, start }) => [into, [...from].sort(), external, start])
    .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify(naming === 'default' ? sorted : [naming, sorted]))
    .digest('hex')
    .slice(0, 16);
}
