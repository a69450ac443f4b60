import { limits } from '#shared/wire/limits.ts';
import type { KafkaTopic } from './kafka-topic.ts';

export interface KafkaView {
  brokers: readonly string[];
  topics: ReadonlyMap<string, KafkaTopic>;
  leftOut: ReadonlyMap<string, string>;
  /** Records left out because they came from here. */
  looped: number;
  /** What happened to topics, newest last. */
  events: readonly string[];
  /** Why the cluster as a whole cannot be read. */
  trouble: string | undefined;
}

/** Each kind of thing that is told in one sentence. */
const eachMost = 3;

/** Whether something is not as it should be, and how it stands, for a person. */
export function inWords(view: KafkaView): { isTroubled: boolean; detail: string } {
  const topics = [...view.topics.values()];
  const parts = topics.flatMap((topic) => (topic.held ? [] : [...topic.parts.values()]));
  const paused = parts.filter(({ trouble }) => trouble !== undefined);
  const held = topics.filter((topic) => topic.held && topic.held.why !== 'gone');
  const gone = topics.filter((topic) => topic.held?.why === 'gone' && topic.partitions > 0);
  const detail = [
    ...reading(view, topics, parts),
    ...(view.trouble === undefined ? [] : [view.trouble]),
    ...list('not read', held, ({ topic, held: why }) => `${topic} ${why!.reason}`),
    ...list(
      'paused',
      paused,
      ({ topic, partition, trouble }) => `${topic}/${partition} ${trouble}`,
    ),
    ...list('gone', gone, ({ topic }) => topic),
    ...list('left out', [...view.leftOut], ([topic, why]) => `${topic} ${why}`),
    ...(view.looped === 0 ? [] : [`${view.looped} records of our own not taken again`]),
    ...view.events.slice(-eachMost),
  ].join('; ');
  const isTroubled = view.trouble !== undefined || held.length > 0 || paused.length > 0;
  return { isTroubled, detail: detail.slice(0, limits.lossDetailLength) };
}

/** What is read, and how far behind it is; while the cluster is not reached that is not known. */
function reading(
  { brokers, trouble }: KafkaView,
  topics: readonly KafkaTopic[],
  parts: readonly { end: number; next: number }[],
): string[] {
  const read = topics.filter((topic) => !topic.held && topic.partitions > 0).length;
  if (trouble !== undefined && read === 0) return [];
  const records = parts.reduce((sum, { end, next }) => sum + Math.max(0, end - next), 0);
  const behind = `${counted(records, 'record')} behind`;
  const atLeast = records === 0 ? 'not known how far behind' : `at least ${behind}`;
  return [
    `${counted(read, 'topic')}, ${counted(parts.length, 'partition')} of ${brokers[0]}`,
    trouble === undefined ? behind : atLeast,
  ];
}

const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

function list<T>(what: string, items: readonly T[], text: (item: T) => string): string[] {
  if (items.length === 0) return [];
  const more = items.length > eachMost ? ` and ${items.length - eachMost} more` : '';
  return [`${what}: ${items.slice(0, eachMost).map(text).join(', ')}${more}`];
}
