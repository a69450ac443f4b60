import type { TopicPartition } from './kafka.ts';

/** As Kafka's requests want it: a topic once, with all of it. In the order of first sight. */
export function byTopic<T extends Pick<TopicPartition, 'topic'>>(
  items: readonly T[],
): [string, T[]][] {
  const topics = new Map<string, T[]>();
  for (const item of items) {
    const list = topics.get(item.topic);
    if (list) list.push(item);
    else topics.set(item.topic, [item]);
  }
  return [...topics];
}

/** One string for both; topics cannot contain the separator. */
export const partitionKey = ({ topic, partition }: TopicPartition): string =>
  `${topic}:${partition}`;
