import { existsSync, readFileSync } from 'node:fs';
import { isLoopback, splitHostPort } from '#shared/std/listen-address.ts';
import type { ReadOf } from '#shared/std/settings-spec.ts';
import type { SourceSettings } from './config.ts';
import { kafkaOf } from './config-source-kafka.ts';
import type { EdgeSpec } from './config-spec.ts';
import type { HostSettings } from './source/host-settings.ts';
import type { HttpSettings } from './source/http-settings.ts';
import {
  type MqttClientSettings,
  type MqttListenSettings,
  type MqttSettings,
  plainFilter,
  type Route,
  routeProblem,
  targetProblem,
  urlProblem,
} from './source/mqtt-settings.ts';

type Written = NonNullable<ReadOf<EdgeSpec>['source'][number]>;
export type WrittenOf<T extends Written['type']> = Extract<Written, { type: T }>;

/** `field` is within the source, for example `subscribe[0]`. */
export interface Told {
  problem(field: string, message: string): void;
  warning(field: string, message: string): void;
}

/** One `[[source]]` as its adapter takes it; undefined when a problem was told. */
export function sourceOf(
  written: Written,
  alias: string | undefined,
  told: Told,
): SourceSettings | undefined {
  if (written.type === 'mqtt') return mqttOf(written, alias, told);
  if (written.type === 'http') return httpOf(written, told);
  if (written.type === 'kafka') return kafkaOf(written, alias, told);
  return hostOf(written, told);
}

function hostOf({ name, topic, interval }: WrittenOf<'host'>, told: Told): HostSettings {
  const problem = targetProblem(topic);
  if (problem) told.problem('topic', problem);
  return { type: 'host', name: name ?? 'host', topic, intervalMs: interval };
}

function httpOf(written: WrittenOf<'http'>, told: Told): HttpSettings | undefined {
  const { name, listen, topics, max_body_bytes: maxBodyBytes } = written;
  const token = secretOf(written.token, written.token_file, 'token', told);
  if (listen === undefined) return undefined;
  if (topics?.length === 0) told.problem('topics', 'is empty: nothing could be posted');
  if (token === undefined) refuseOpenDoor(listen, written.allow_anonymous, 'token_file', told);
  else if (!onLoopback(listen)) {
    told.warning('listen', 'is plain HTTP: the token and the records can be read on the network');
  }
  return { type: 'http', name: name ?? `http:${listen}`, listen, topics, token, maxBodyBytes };
}

function mqttOf(
  written: WrittenOf<'mqtt'>,
  alias: string | undefined,
  told: Told,
): MqttSettings | undefined {
  const { url, listen } = written;
  const subscribe = written.subscribe.flatMap((route, index) => routeOf(route, index, told));
  if (written.subscribe.length === 0) {
    told.problem('subscribe', 'is missing: name at least one filter and the topic it feeds');
  }
  const password = secretOf(written.password, written.password_file, 'password', told);
  if ((url === undefined) === (listen === undefined)) {
    const both = 'has both url (be a client of a broker) and listen (be one); keep one of them';
    told.problem('', url ? both : 'needs url (be a client of a broker) or listen (be one)');
    return undefined;
  }
  if (listen !== undefined) return listenerOf(written, { listen, subscribe, password }, told);
  return clientOf(written, { url: url!, subscribe, password, alias }, told);
}

function clientOf(
  written: WrittenOf<'mqtt'>,
  read: { url: string; subscribe: Route[]; password?: string; alias: string | undefined },
  told: Told,
): MqttClientSettings | undefined {
  const problem = brokerProblem(read.url);
  if (problem !== undefined) {
    told.problem('url', problem);
    return undefined;
  }
  const { username, protocol, client_id: clientId } = written;
  const address = new URL(read.url);
  if (read.password !== undefined && username === undefined && protocol === '3.1.1') {
    told.problem('username', 'is missing: MQTT 3.1.1 knows no password without a user name');
  }
  const tls = tlsOf(written.tls, told);
  const secure = /^(mqtts|ssl|wss):$/.test(address.protocol);
  if (tls !== undefined && !secure) told.problem('tls', 'needs an address with mqtts://');
  if (read.password !== undefined && !secure && !isLoopback(address.hostname)) {
    told.warning('url', 'is not encrypted: the password can be read on the network; use mqtts://');
  }
  return {
    type: 'mqtt',
    name: written.name ?? `mqtt:${address.host}`,
    url: read.url,
    clientId: clientId ?? ['tributary', read.alias, written.name].filter(Boolean).join('-'),
    protocol,
    username,
    password: read.password,
    tls,
    keepaliveSeconds: Math.round(written.keepalive / 1000),
    sessionExpirySeconds: Math.round(written.session_expiry / 1000),
    subscribe: read.subscribe,
  };
}

function listenerOf(
  written: WrittenOf<'mqtt'>,
  read: { listen: string; subscribe: Route[]; password?: string },
  told: Told,
): MqttListenSettings {
  const { username } = written;
  const { listen, subscribe, password } = read;
  if ((username === undefined) !== (password === undefined)) {
    told.problem(username ? 'password_file' : 'username', 'is missing: give both or neither');
  }
  for (const [index, { filter }] of subscribe.entries()) {
    if (plainFilter(filter) !== filter) {
      told.problem(`subscribe[${index}].filter`, 'shares a subscription, which a listener has not');
    }
  }
  const tls = tlsOf(written.tls, told);
  const asksClients = tls?.caFile !== undefined;
  if (tls !== undefined && (tls.certFile === undefined || tls.keyFile === undefined)) {
    told.problem('tls', 'of a listener needs cert_file and key_file');
  }
  if (username === undefined && !asksClients) {
    refuseOpenDoor(listen, written.allow_anonymous, 'username and password_file', told);
  } else if (tls === undefined && !onLoopback(listen)) {
    told.warning('listen', 'has no tls: the password can be read on the network');
  }
  const certified = tls as MqttListenSettings['tls'];
  const name = written.name ?? `mqtt-listen:${listen}`;
  return { type: 'mqtt', name, listen, username, password, tls: certified, subscribe };
}

function brokerProblem(url: string): string | undefined {
  const problem = urlProblem(url);
  if (problem !== undefined) return problem;
  const { username, password, pathname, protocol } = new URL(url);
  if (username !== '' || password !== '') {
    return 'must not hold a user name or password; set username and password_file';
  }
  if (!protocol.startsWith('ws') && pathname.length > 1) return 'must end after the port';
  return undefined;
}

function routeOf(
  { filter, topic, key, qos }: WrittenOf<'mqtt'>['subscribe'][number],
  index: number,
  told: Told,
): Route[] {
  if (filter === undefined || topic === undefined) return [];
  const level = qos as Route['qos'];
  const whole: Route = { filter, topic, qos: level, ...(key === undefined ? {} : { key }) };
  const problem = routeProblem(whole);
  if (problem !== undefined) told.problem(`subscribe[${index}]`, problem);
  return [whole];
}

function tlsOf(
  written: WrittenOf<'mqtt'>['tls'],
  told: Told,
): { caFile?: string; certFile?: string; keyFile?: string } | undefined {
  const { ca_file: caFile, cert_file: certFile, key_file: keyFile } = written;
  if (caFile === undefined && certFile === undefined && keyFile === undefined) return undefined;
  for (const key of ['ca_file', 'cert_file', 'key_file'] as const) {
    const file = written[key];
    if (file !== undefined && !existsSync(file)) told.problem(`tls.${key}`, 'is not there');
  }
  if ((certFile === undefined) !== (keyFile === undefined)) {
    told.problem('tls', 'needs cert_file and key_file together');
  }
  return { caFile, certFile, keyFile };
}

function secretOf(
  value: string | undefined,
  file: string | undefined,
  name: 'password' | 'token',
  told: Told,
): string | undefined {
  if (file === undefined) return value;
  if (value !== undefined) told.problem(name, `and ${name}_file are both set; keep one of them`);
  try {
    const secret = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
    if (secret === '') told.problem(`${name}_file`, `${file} is empty`);
    return secret;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : `cannot be read (${code})`;
    told.problem(`${name}_file`, `${file}: ${why}`);
    return undefined;
  }
}

/** Beyond loopback, a listener that asks nobody is a decision of its own. */
function refuseOpenDoor(listen: string, allowed: boolean, remedy: string, told: Told): void {
  if (onLoopback(listen)) return;
  if (allowed) {
    told.warning('listen', 'takes records from anybody who reaches it (allow_anonymous)');
  } else {
    told.problem(
      'listen',
      'can be reached from other machines, and anybody could write records; ' +
        `set ${remedy}, or allow_anonymous = true where the network itself is trusted`,
    );
  }
}

const onLoopback = (listen: string): boolean => isLoopback(splitHostPort(listen)?.host ?? '');
