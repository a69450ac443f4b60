import { isInternalTopic, topicProblem } from '#shared/wire/topic-name.ts';

/** A subscription to any broker (3.1.1 or 5). */
export interface MqttClientSettings {
  type: 'mqtt';
  /** Unique on this edge, without a slash; prefix of the positions. */
  name: string;
  /** `mqtt:// tcp:// mqtts:// ssl:// ws:// wss://` */
  url: string;
  /** Stable: the broker keeps the session, with what we have not acknowledged, under it. */
  clientId: string;
  protocol: '5' | '3.1.1';
  username?: string;
  password?: string;
  tls?: { caFile?: string; certFile?: string; keyFile?: string };
  keepaliveSeconds: number;
  /** How long the broker keeps the session while we are away (MQTT 5 only). */
  sessionExpirySeconds: number;
  subscribe: Route[];
}

/** A publish-only MQTT server (3.1, 3.1.1 and 5) for gateways that have no broker. */
export interface MqttListenSettings {
  type: 'mqtt';
  name: string;
  /** `host:port`; port 0 picks a free one. */
  listen: string;
  username?: string;
  password?: string;
  /** With `caFile` a client must show a certificate that it signed. */
  tls?: { certFile: string; keyFile: string; caFile?: string };
  subscribe: Route[];
}

export type MqttSettings = MqttClientSettings | MqttListenSettings;

/** Which messages become which records. The first route that matches wins. */
export interface Route {
  /** MQTT topic filter with `+` and `#`, or `$share/<group>/<filter>`. */
  filter: string;
  /**
   * Kafka topic, a template: `{1}`, `{2}` … is what the n-th wildcard matched (`#`: all the levels
   * it took), `{topic}` the whole MQTT topic. Characters that a Kafka topic may not hold, the
   * slash among them, are replaced by `_`.
   */
  topic: string;
  /** Record key, a template like `topic`, but taken as it is. Without it the key is null. */
  key?: string;
  /** Highest quality of service to ask the broker for; a listener takes whatever is sent. */
  qos: 0 | 1 | 2;
}

const placeholder = /\{([^{}]*)\}/g;

/** The filter without the `$share/<group>/` that only the broker looks at. */
export const plainFilter = (filter: string): string =>
  filter.startsWith('$share/') ? filter.split('/').slice(2).join('/') : filter;

/** What stands in for characters that a Kafka topic may not hold. */
export const kafkaTopic = (text: string): string => text.replace(/[^A-Za-z0-9._-]/g, '_');

/** Fills a template; `values` are what the wildcards took, in order. */
export const renderTemplate = (template: string, mqttTopic: string, values: readonly string[]) =>
  template.replace(placeholder, (_, name: string) =>
    name === 'topic' ? mqttTopic : (values[Number(name) - 1] ?? ''),
  );

/** Why a rendered topic may not be written to; undefined when it may. */
export function targetProblem(topic: string): string | undefined {
  const problem = topicProblem(topic);
  if (problem) return problem;
  // At central an alias and a dot come before it: "checkpoints.internal" would be MirrorMaker's.
  return isInternalTopic(topic) || isInternalTopic(`x.${topic}`) ? 'is reserved' : undefined;
}

/** Why a route cannot work, naming the field; undefined when it can. */
export function routeProblem(route: Route): string | undefined {
  const filter = filterProblem(route.filter);
  if (filter) return `filter ${JSON.stringify(route.filter)} ${filter}`;
  const wildcards = plainFilter(route.filter).match(/[+#]/g)?.length ?? 0;
  for (const field of ['topic', 'key'] as const) {
    const problem = templateProblem(route[field] ?? '', wildcards);
    if (problem) return `${field} ${JSON.stringify(route[field])} ${problem}`;
  }
  const sample = renderTemplate(route.topic, 'x', Array(wildcards).fill('x'));
  const topic = targetProblem(sample);
  if (topic) return `topic ${JSON.stringify(route.topic)} ${topic}`;
  if (![0, 1, 2].includes(route.qos)) return `qos ${route.qos} must be 0, 1 or 2`;
  return undefined;
}

function filterProblem(filter: string): string | undefined {
  if (filter.startsWith('$share/') && !/^\$share\/[^/+#]+\/./.test(filter)) {
    return 'must be "$share/<group>/<filter>"';
  }
  const plain = plainFilter(filter);
  if (plain === '') return 'must not be empty';
  if (plain.includes('\0')) return 'must not hold the character U+0000';
  if (Buffer.byteLength(filter) > 65_535) return 'is longer than 65535 bytes';
  const levels = plain.split('/');
  if (levels.some((level) => level.length > 1 && /[+#]/.test(level))) {
    return 'must have "+" and "#" alone between slashes';
  }
  if (levels.slice(0, -1).includes('#')) return 'may have "#" at its end only';
  return undefined;
}

function templateProblem(template: string, wildcards: number): string | undefined {
  for (const [whole, name = ''] of template.matchAll(placeholder)) {
    if (name === 'topic') continue;
    if (!/^[1-9]\d*$/.test(name)) return `has ${whole}; known are {topic}, {1}, {2} and so on`;
    if (Number(name) > wildcards) {
      const has = wildcards === 1 ? '1 wildcard' : `${wildcards} wildcards`;
      return `names ${whole}, but the filter has ${has}`;
    }
  }
  if (/[{}]/.test(template.replace(placeholder, ''))) return 'has a brace without its partner';
  return undefined;
}

const schemes = ['mqtt:', 'tcp:', 'mqtts:', 'ssl:', 'ws:', 'wss:'];

/** Why `url` is no broker's address; undefined when it is one. */
export function urlProblem(url: string): string | undefined {
  if (!URL.canParse(url)) return 'must be an address like "mqtt://localhost:1883"';
  const { protocol, hostname } = new URL(url);
  if (!schemes.includes(protocol)) return `must begin with ${schemes.join('// ')}//`;
  if (hostname === '') return 'must name a host';
  return undefined;
}
