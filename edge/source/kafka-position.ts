import type { TopicPartition } from '#shared/kafka/kafka.ts';

/** Where a partition of a site's Kafka is read on: kept in the buffer, with the records before it. */
export interface KafkaPosition extends TopicPartition {
  /** Kafka's id of the topic, 32 hexadecimal digits; zeros where the cluster gives none. */
  topicId: string;
  /** The life of the topic that `next` belongs to: the id, or ours where there is none. */
  incarnation: string;
  /** `topicId` of the life before. */
  was?: string | undefined;
  /** Next offset to take. */
  next: number;
}

/** What brokers before 2.8 call every topic. */
export const noTopicId = '0'.repeat(32);

/** All keys of the source `name` begin so. */
export const keysOf = (name: string): string => `${name}/`;
/** Written when the source has first looked at its cluster: topics that had no position then. */
export const beganKey = (name: string): string => `${name}/began`;

export const positionKey = (name: string, { topic, partition }: TopicPartition): string =>
  `${name}/at/${topic}/${partition}`;

type Kept = Omit<KafkaPosition, 'topic' | 'partition'>;

export const positionValue = ({ next, topicId, incarnation, was }: Kept): Buffer =>
  Buffer.from(JSON.stringify({ next, topicId, incarnation, was } satisfies Kept));

/** What the buffer has kept of the source `name`. */
export function positionsIn(stored: ReadonlyMap<string, Buffer>, name: string): KafkaPosition[] {
  const prefix = `${name}/at/`;
  return [...stored].flatMap(([key, value]) => {
    if (!key.startsWith(prefix)) return [];
    const [topic, partition] = key.slice(prefix.length).split('/') as [string, string];
    return [{ topic, partition: Number(partition), ...(JSON.parse(value.toString()) as Kept) }];
  });
}
