import { isLoopback, splitHostPort } from '#shared/std/listen-address.ts';
import { settingsEnvironment } from '#shared/std/program.ts';
import { loadSettings, type Settings } from '#shared/std/settings.ts';
import type { Environment } from '#shared/std/settings-overrides.ts';
import { formatProblem, SettingsError } from '#shared/std/settings-problem.ts';
import type { JoinToken } from '#shared/wire/enrol.ts';
import type { BufferOptions, TopicOptions } from './buffer/buffer.ts';
import { sourceOf } from './config-source.ts';
import { type EdgeSpec, edgeSpec } from './config-spec.ts';
import { joinTokenOf, supplyIdentity } from './join-settings.ts';
import type { HostSettings } from './source/host-settings.ts';
import type { HttpSettings } from './source/http-settings.ts';
import type { KafkaSettings } from './source/kafka-settings.ts';
import { type MqttSettings, targetProblem } from './source/mqtt-settings.ts';

export type SourceSettings = MqttSettings | HttpSettings | HostSettings | KafkaSettings;

/** Everything that an edge is told; times in ms, sizes in bytes. */
export interface EdgeConfig {
  alias: string;
  central: {
    /** Tried in order; none: records are kept until there is one. No slash at the end. */
    urls: string[];
    /** null: no cap. */
    maxBytesPerSecond: number | null;
    requestTimeoutMs: number;
    /** What `join` wrote, and renewal replaces. */
    credentialPath: string;
    /** To join unattended; null: none is there. */
    joinToken: JoinToken | null;
    /** Certificates of an outside authority; null: those of `join`. */
    tlsFiles: { caFile: string; certFile: string; keyFile: string } | null;
  };
  buffer: BufferOptions;
  status: { listen: string };
  sources: SourceSettings[];
  log: { level: 'debug' | 'info' | 'warn' | 'error' };
  /** Under systemd, whose journal stamps the lines itself. */
  underJournal: boolean;
  /** What was read, in order. */
  files: readonly string[];
  /** What is allowed and may surprise, one line each. */
  warnings: string[];
}

export interface EdgeConfigSources {
  /** Default: $TRIBUTARY_EDGE_CONFIG, else /etc/tributary/edge.toml. */
  file?: string;
  /** `key=value`, strongest of all. */
  overrides?: readonly string[];
  env?: Environment;
  /** For commands that only ask the running agent: without a name the alias is empty. */
  nameMayLack?: boolean;
}

/** As much as joining needs of settings that lack what it is going to bring. */
export interface JoinPlace {
  alias: string | null;
  urls: string[];
  credentialPath: string;
  joinToken: JoinToken | null;
  log: EdgeConfig['log'];
  underJournal: boolean;
}

export type EdgeSettings = Settings<EdgeSpec>;

/** The declaration, with the defaults of this environment. */
export const edgeSettings = (env: Environment = process.env): EdgeSpec =>
  edgeSpec(env.STATE_DIRECTORY?.split(':')[0] || '/var/lib/tributary-edge');

/** Throws a SettingsError that tells every problem at once. */
export function loadEdgeConfig(sources: EdgeConfigSources = {}): EdgeConfig {
  const env = sources.env ?? process.env;
  const asked = sources.file ?? env.TRIBUTARY_EDGE_CONFIG;
  const settings = loadSettings(edgeSettings(env), {
    file: asked ?? '/etc/tributary/edge.toml',
    fileMustExist: asked !== undefined,
    env,
    rules: settingsEnvironment,
    overrides: sources.overrides,
  });
  supplyIdentity(settings, sources.nameMayLack === true);
  const joinToken = joinTokenOf(settings, env, sources.nameMayLack);
  checkCentral(settings);
  checkStatus(settings);
  const topics = topicsOf(settings);
  const read = sourcesOf(settings);
  settings.settle();
  return configOf(settings, { topics, sources: read, joinToken, underJournal: isUnder(env) });
}

const isUnder = (env: Environment): boolean => env.JOURNAL_STREAM !== undefined;

/** Throws a SettingsError for all that is wrong, but for what is missing. */
export function loadJoinPlace(sources: EdgeConfigSources = {}): JoinPlace {
  const env = sources.env ?? process.env;
  const asked = sources.file ?? env.TRIBUTARY_EDGE_CONFIG;
  const settings = loadSettings(edgeSettings(env), {
    file: asked ?? '/etc/tributary/edge.toml',
    ...{ env, rules: settingsEnvironment, overrides: sources.overrides },
    fileMustExist: false,
  });
  const joinToken = joinTokenOf(settings, env);
  const wrong = settings.problems.filter(({ isAbsence }) => !isAbsence);
  if (wrong.length > 0) throw new SettingsError(wrong);
  const { alias, central, log } = settings.values;
  return {
    alias: (alias as string | undefined) ?? null,
    urls: (central.url ?? []).flatMap((url) => (URL.canParse(url) ? [new URL(url).origin] : [])),
    credentialPath: central.credential,
    ...{ joinToken, log, underJournal: isUnder(env) },
  };
}

function checkCentral(settings: EdgeSettings): void {
  const { central } = settings.values;
  const files = ['ca_file', 'cert_file', 'key_file'] as const;
  for (const missing of files.filter((name) => central[name] === undefined)) {
    if (files.every((name) => central[name] === undefined)) break;
    settings.problem(
      `central.${missing}`,
      'is needed too: ca_file, cert_file and key_file go together',
    );
  }
  const urls = settings.values.central.url;
  for (const url of urls ?? []) {
    const problem = centralUrlProblem(url);
    if (problem !== undefined) settings.problem('central.url', `"${withoutUser(url)}" ${problem}`);
  }
  if (urls === undefined || urls.length === 0) {
    settings.warning('central.url', 'is not set: records are kept here and go nowhere');
  }
}

/** An address as messages may show it. */
const withoutUser = (url: string): string => url.replace(/(:\/\/)[^/@]*@/, '$1…@');

export function centralUrlProblem(url: string): string | undefined {
  if (!URL.canParse(url)) return 'must be an address like "https://central.example:8443"';
  const { protocol, hostname, username, password, pathname, search, hash } = new URL(url);
  if (protocol !== 'https:' && protocol !== 'http:') return 'must begin with https://';
  if (username !== '' || password !== '') return 'must not hold a user name or password';
  if (pathname !== '/' || search !== '' || hash !== '') return 'must end after the port';
  if (protocol === 'http:' && !isLoopback(hostname)) {
    return (
      'must begin with https://: plain http:// is for this machine only (localhost), because ' +
      'anybody on the way could read the records and pretend to be central'
    );
  }
  return undefined;
}

function checkStatus(settings: EdgeSettings): void {
  const host = splitHostPort(settings.values.status.listen)?.host ?? '';
  if (isLoopback(host)) return;
  settings.problem(
    'status.listen',
    'can be reached from other machines, and the status API has no sign-in yet; ' +
      'use "127.0.0.1:8081" and reach it through ssh -L or a proxy with its own sign-in',
  );
}

function topicsOf(settings: EdgeSettings): Map<string, TopicOptions> {
  const topics = new Map<string, TopicOptions>();
  const { topic: written, buffer } = settings.values;
  for (const [index, topic] of written.entries()) {
    const { name, partitions, max_bytes: maxBytes, when_full: whenFull } = topic;
    if (name === undefined) continue;
    const key = `topic[${index}].name`;
    const problem = name === '*' ? undefined : targetProblem(name);
    if (problem) settings.problem(key, problem);
    if (topics.has(name)) settings.problem(key, 'is there twice; keep one [[topic]] for it');
    if (maxBytes !== undefined && maxBytes > buffer.max_bytes) {
      settings.problem(
        `topic[${index}].max_bytes`,
        'is more than buffer.max_bytes, the cap of all',
      );
    }
    topics.set(name, {
      partitions,
      ...(maxBytes === undefined ? {} : { maxBytes }),
      ...(whenFull === undefined ? {} : { whenFull }),
    });
  }
  if (!topics.has('*')) topics.set('*', { partitions: 1 });
  return topics;
}

function sourcesOf(settings: EdgeSettings): SourceSettings[] {
  const { source, alias, status } = settings.values;
  const names = new Set<string>();
  const listens = new Map([[status.listen, 'status.listen']]);
  const read = source.flatMap((written, index) => {
    if (written === undefined) return [];
    const at = (field: string) => `source[${index}]${field && '.'}${field}`;
    const one = sourceOf(written, alias, {
      problem: (field, message) => settings.problem(at(field), message),
      warning: (field, message) => settings.warning(at(field), message),
    });
    if (one === undefined) return [];
    if (names.has(one.name)) {
      settings.problem(
        at('name'),
        `"${one.name}" is taken by another source; give this one a name`,
      );
    }
    names.add(one.name);
    if ('listen' in one && !one.listen.endsWith(':0')) {
      const other = listens.get(one.listen);
      if (other) settings.problem(at('listen'), `is the address of ${other} too; choose another`);
      listens.set(one.listen, at('listen'));
    }
    return [one];
  });
  if (read.filter(({ type }) => type === 'kafka').length > 1) {
    settings.warning(
      'source',
      'there are several of type "kafka": topics of the same name would become one; let them differ',
    );
  }
  if (source.length === 0) {
    settings.warning('source', 'there is none: only `tributary-edge send` brings records');
  }
  return read;
}

interface ReadParts {
  topics: Map<string, TopicOptions>;
  sources: SourceSettings[];
  joinToken: JoinToken | null;
  underJournal: boolean;
}

function configOf(
  settings: EdgeSettings,
  { topics, sources, joinToken, underJournal }: ReadParts,
): EdgeConfig {
  const { alias, central, buffer, status, log } = settings.values;
  return {
    alias,
    central: {
      urls: (central.url ?? []).map((url) => new URL(url).origin),
      maxBytesPerSecond: central.max_rate,
      requestTimeoutMs: central.request_timeout,
      credentialPath: central.credential,
      joinToken,
      tlsFiles:
        central.ca_file && central.cert_file && central.key_file
          ? { caFile: central.ca_file, certFile: central.cert_file, keyFile: central.key_file }
          : null,
    },
    buffer: {
      path: buffer.path,
      alias,
      maxBytes: buffer.max_bytes,
      whenFull: buffer.when_full,
      topics,
      compression: buffer.compression,
    },
    status,
    sources,
    log,
    underJournal,
    files: settings.files,
    warnings: settings.warnings.map(formatProblem),
  };
}
