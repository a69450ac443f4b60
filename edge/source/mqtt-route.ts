import type { RecordHeader } from '#shared/wire/record.ts';
import { mqttLimits } from './mqtt-limits.ts';
import { topicNameProblem } from './mqtt-publish.ts';
import {
  kafkaTopic,
  plainFilter,
  type Route,
  renderTemplate,
  targetProblem,
} from './mqtt-settings.ts';

/** Where the messages of one MQTT topic go. */
export interface Target {
  topic: string;
  key: Buffer | null;
  /** `mqtt.topic` and `mqtt.qos`, by QoS; shared by all records of the topic. */
  headers: readonly [readonly RecordHeader[], readonly RecordHeader[], readonly RecordHeader[]];
}

/** No route takes the topic: why, for a person. */
export interface NoTarget {
  refused: string;
}

/** The routes of one source, compiled; remembers topics that it has seen. */
export class Routes {
  readonly #routes: { levels: string[]; route: Route }[];
  readonly #seen = new Map<string, Target | NoTarget>();

  constructor(routes: readonly Route[]) {
    this.#routes = routes.map((route) => ({ levels: plainFilter(route.filter).split('/'), route }));
  }

  find(mqttTopic: string): Target | NoTarget {
    const seen = this.#seen.get(mqttTopic);
    if (seen) return seen;
    const found = this.#search(mqttTopic);
    if (mqttTopic.length > mqttLimits.cachedTopicLength) return found;
    if (this.#seen.size >= mqttLimits.cachedTopics) this.#seen.clear();
    this.#seen.set(mqttTopic, found);
    return found;
  }

  #search(mqttTopic: string): Target | NoTarget {
    const problem = topicNameProblem(mqttTopic);
    if (problem) return { refused: `MQTT topic ${quoted(mqttTopic)} ${problem}` };
    const levels = mqttTopic.split('/');
    for (const { levels: filter, route } of this.#routes) {
      const values = matchLevels(filter, levels);
      if (values) return targetOf(route, mqttTopic, values);
    }
    return { refused: `no route takes MQTT topic ${quoted(mqttTopic)}` };
  }
}

const quoted = (topic: string): string =>
  JSON.stringify(topic.length > 200 ? `${topic.slice(0, 200)}…` : topic);

/** What the wildcards of `filter` took, or undefined where it does not match (MQTT 5, 4.7). */
export function matchLevels(filter: readonly string[], topic: readonly string[]) {
  const values: string[] = [];
  // A wildcard in front does not take the broker's own topics ($SYS …).
  if (topic[0]?.startsWith('$') && filter[0] !== topic[0]) return undefined;
  for (const [index, level] of filter.entries()) {
    if (level === '#') return [...values, topic.slice(index).join('/')];
    const actual = topic[index];
    if (actual === undefined) return undefined;
    if (level === '+') values.push(actual);
    else if (level !== actual) return undefined;
  }
  return topic.length === filter.length ? values : undefined;
}

function targetOf(route: Route, mqttTopic: string, values: string[]): Target | NoTarget {
  const topic = kafkaTopic(renderTemplate(route.topic, mqttTopic, values));
  const problem = targetProblem(topic);
  if (problem) {
    return { refused: `MQTT topic ${quoted(mqttTopic)} gives topic "${topic}", which ${problem}` };
  }
  const key =
    route.key === undefined ? null : Buffer.from(renderTemplate(route.key, mqttTopic, values));
  const name: RecordHeader = ['mqtt.topic', Buffer.from(mqttTopic)];
  const headers = (qos: string): readonly RecordHeader[] => [name, ['mqtt.qos', Buffer.from(qos)]];
  return { topic, key, headers: [headers('0'), headers('1'), headers('2')] };
}
