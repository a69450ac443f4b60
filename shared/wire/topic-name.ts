import { limits } from './limits.ts';

/** What stands between alias and topic: MirrorMaker 2's DefaultReplicationPolicy. */
export const separator = '.';

const pattern = /^[A-Za-z0-9._-]+$/;

/**
 * Why `topic` is not a topic name (Kafka's rules, org.apache.kafka.common.internals.Topic);
 * undefined when it is fine. `reserve` characters are kept free for a prefix to come.
 */
export function topicProblem(topic: unknown, reserve = 0): string | undefined {
  if (typeof topic !== 'string' || topic === '') return 'must be a topic name';
  if (topic === '.' || topic === '..') return 'must not be "." or ".."';
  if (topic.length + reserve > limits.topicLength) {
    return `is longer than the ${limits.topicLength - reserve} characters that are left for it`;
  }
  if (!pattern.test(topic)) return 'may hold letters, digits, ".", "_" and "-" only';
  return undefined;
}

/** `factory-a` + `sensor-data` → `factory-a.sensor-data`. */
export const remoteTopic = (alias: string, topic: string): string => alias + separator + topic;

/** The inverse of {@link remoteTopic}; undefined when there is no prefix. An alias holds no dot. */
export function splitRemoteTopic(name: string): { alias: string; topic: string } | undefined {
  const dot = name.indexOf(separator);
  if (dot <= 0 || dot === name.length - 1) return undefined;
  return { alias: name.slice(0, dot), topic: name.slice(dot + 1) };
}

/** Topics of our own, never the input of a flow nor the target of a record. */
export const isInternalTopic = (name: string): boolean =>
  name.startsWith('tributary.') ||
  name.startsWith('mm2-offset-syncs.') ||
  name === 'heartbeats' ||
  name.endsWith('.heartbeats') ||
  name.endsWith('.internal');
