import { type ConnectionValues, connectionProblems } from '#shared/kafka/connection-settings.ts';
import { isLoopback, splitHostPort } from '#shared/std/listen-address.ts';
import { settingsEnvironment } from '#shared/std/program.ts';
import { loadSettings, type Settings } from '#shared/std/settings.ts';
import type { Environment } from '#shared/std/settings-overrides.ts';
import { formatProblem } from '#shared/std/settings-problem.ts';
import { aliasProblem } from '#shared/wire/alias.ts';
import type { Naming } from '#shared/wire/mm2-topics.ts';
import { centralSpec } from './config-spec.ts';
import { checkFlows, type Told } from './flow-check.ts';
import { checkKeptNames } from './flow-name-check.ts';
import { type LinkTls, linkTlsOf } from './link-tls-settings.ts';
import { type RemoteStatusSettings, remoteStatusOf } from './status-access-settings.ts';

/** Everything that central is told; times in ms, sizes in bytes. */
export interface CentralConfig {
  alias: string;
  link: {
    listen: string;
    tls: LinkTls /** The first of `names`, for sites; null: not set. */;
    name: string | null;
  };
  enrol: { authorityPath: string; lifeMs: number; graceMs: number };
  intake: { heartbeatIntervalMs: number };
  status: { listen: string; remote: RemoteStatusSettings | null };
  landing: EmbeddedLandingSettings | KafkaLandingSettings;
  flows: FlowSettings[];
  fleet: FleetSettings;
  log: { level: 'debug' | 'info' | 'warn' | 'error' };
  /** Under systemd, whose journal stamps the lines itself. */
  underJournal: boolean;
  /** What was read, in order. */
  files: readonly string[];
  /** What is allowed and may surprise, one line each. */
  warnings: string[];
}

export interface EmbeddedLandingSettings {
  type: 'embedded';
  path: string;
  naming: Naming;
  /** Since landing; Infinity: for ever. */
  retentionMs: number;
  maxBytes: number;
}

export interface KafkaLandingSettings {
  type: 'kafka';
  connection: ConnectionValues;
  naming: Naming;
  shards: number;
  replicationFactor: number;
  partitions: number;
  /** Infinity: for ever. */
  retentionMs: number;
  longestOutageMs: number;
  transactionBytes: number;
  lingerMs: number;
  transactionTimeoutMs: number;
  commitTimeoutMs: number;
  mm2Heartbeats: boolean;
  mm2Checkpoints: boolean;
  syncGroupOffsets: boolean;
  syncTopicConfigs: boolean;
  /** Names and regular expressions, as shared/wire/mm2-filter.ts takes them. */
  configPropertiesExclude: string[];
  syncTopicAcls: boolean;
}

export interface FlowSettings {
  into: string;
  /** `<alias>.<topic>`, `*` for any characters: `*.sensor-data`. */
  from: string[];
  /** Written by others than us, and copied. */
  external: boolean;
  start: 'latest' | 'earliest';
}

export interface FleetSettings {
  expect: string[];
  offlineAfterMs: number;
  stalledAfterMs: number;
}

export interface CentralConfigSources {
  /** Default: $TRIBUTARY_CENTRAL_CONFIG, else /etc/tributary/central.toml where there is one. */
  file?: string;
  /** `key=value`, strongest of all. */
  overrides?: readonly string[];
  env?: Environment;
}

const stateDirectoryOf = (env: Environment): string =>
  env.STATE_DIRECTORY?.split(':')[0] || '/var/lib/tributary-central';

/** The declaration, with the defaults of this environment. */
export const centralSettings = (env: Environment = process.env) =>
  centralSpec(stateDirectoryOf(env));

/** Throws a SettingsError that tells every problem at once. */
export function loadCentralConfig(sources: CentralConfigSources = {}): CentralConfig {
  const env = sources.env ?? process.env;
  const asked = sources.file ?? env.TRIBUTARY_CENTRAL_CONFIG;
  const settings = loadSettings(centralSettings(env), {
    file: asked ?? '/etc/tributary/central.toml',
    fileMustExist: asked !== undefined,
    env,
    rules: settingsEnvironment,
    overrides: sources.overrides,
  });
  const tls = linkTlsOf(settings.values.link, (key, message) => settings.problem(key, message));
  const { status } = settings.values;
  const remote = remoteStatusOf(status, tls, env.CREDENTIALS_DIRECTORY, (key, message) =>
    settings.problem(key, message),
  );
  check(settings);
  settings.settle();
  return { ...configOf(settings, tls, remote), underJournal: env.JOURNAL_STREAM !== undefined };
}

type CentralSettings = Settings<ReturnType<typeof centralSpec>>;

function check(settings: CentralSettings): void {
  const { link, status, fleet } = settings.values;
  if (!isLoopback(splitHostPort(status.listen)?.host ?? '')) {
    settings.problem(
      'status.listen',
      'can be reached from other machines, and has no sign-in; use "127.0.0.1:8080", and ' +
        'status.remote with status.token_file for other machines',
    );
  }
  if (fleet.offline_after < 2 * link.heartbeat_interval) {
    settings.problem(
      'fleet.offline_after',
      'is less than two of link.heartbeat_interval: sites would be offline between two heartbeats',
    );
  }
  for (const alias of fleet.expect) {
    const problem = aliasProblem(alias);
    if (problem !== undefined) settings.problem('fleet.expect', `"${alias}" ${problem}`);
  }
  const { landing } = settings.values;
  if (landing?.type === 'kafka') {
    for (const [key, message] of connectionProblems(landing)) {
      settings.problem(`landing.${key}`, message);
    }
  } else {
    for (const [index, { external }] of settings.values.flow.entries()) {
      if (!external) continue;
      settings.problem(
        `flow[${index}].external`,
        'needs Kafka: others write nothing into an embedded landing; use landing.type = "kafka"',
      );
    }
  }
  const told: Told = {
    problem: (key, message) => settings.problem(key, message),
    warning: (key, message) => settings.warning(key, message),
  };
  checkFlows(settings.values.flow, fleet.expect, told);
  if (landing?.naming === 'identity') checkKeptNames(settings.values.flow, told);
}

/** What an edge waits for an answer is 30 s and more: it is told before that. */
const commitTimeoutMs = 15_000;

function landingOf(landing: CentralSettings['values']['landing']): CentralConfig['landing'] {
  const retentionMs = landing.retention ?? Number.POSITIVE_INFINITY;
  if (landing.type === 'embedded') {
    const { path, naming, max_bytes: maxBytes } = landing;
    return { type: 'embedded', path, naming, retentionMs, maxBytes };
  }
  const { brokers, tls, sasl, naming, shards, partitions } = landing;
  return {
    ...{ type: 'kafka', connection: { brokers, tls, sasl }, shards, partitions, retentionMs },
    ...{ naming, replicationFactor: landing.replication_factor },
    longestOutageMs: landing.longest_outage,
    transactionBytes: landing.transaction_bytes,
    lingerMs: landing.transaction_linger,
    transactionTimeoutMs: landing.transaction_timeout,
    commitTimeoutMs,
    mm2Heartbeats: landing.heartbeats,
    mm2Checkpoints: landing.checkpoints,
    syncGroupOffsets: landing.sync_group_offsets,
    syncTopicConfigs: landing.sync_topic_configs,
    configPropertiesExclude: landing.config_properties_exclude,
    syncTopicAcls: landing.sync_topic_acls,
  };
}

function configOf(
  settings: CentralSettings,
  tls: LinkTls,
  remote: RemoteStatusSettings | null,
): Omit<CentralConfig, 'underJournal'> {
  const { alias, link, enrol, status, landing, flow, fleet, log } = settings.values;
  return {
    alias,
    link: { listen: link.listen, tls, name: link.names?.[0] ?? null },
    enrol: { authorityPath: enrol.authority, lifeMs: enrol.life, graceMs: enrol.grace },
    intake: { heartbeatIntervalMs: link.heartbeat_interval },
    status: { listen: status.listen, remote },
    landing: landingOf(landing),
    flows: flow,
    fleet: {
      expect: [...new Set(fleet.expect)],
      offlineAfterMs: fleet.offline_after,
      stalledAfterMs: fleet.stalled_after,
    },
    log,
    files: settings.files,
    warnings: settings.warnings.map(formatProblem),
  };
}
