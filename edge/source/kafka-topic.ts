import type { TopicInfo, TopicPartition } from '#shared/kafka/kafka.ts';
import { type KafkaPosition, noTopicId } from './kafka-position.ts';

/** A topic of the site's Kafka that is replicated, as far as we have come. */
export interface KafkaTopic {
  topic: string;
  topicId: string;
  incarnation: string;
  /** Id of the life before this one: a broker that still shows it is behind. */
  was: string | undefined;
  /** At the source; 0 until it was seen there in this run. */
  partitions: number;
  parts: Map<number, KafkaPart>;
  /** Why nothing of it is read now. */
  held: { why: 'gone' | 'halted' | 'failed'; reason: string } | undefined;
}

export interface KafkaPart extends TopicPartition {
  /** All before it is in the buffer, or was none of ours. */
  next: number;
  /** `next` as the buffer has it. */
  stored: number;
  /** End of the partition as last seen; what is before it can be read. */
  end: number;
  /** Something of it is on its way into the buffer; never rejects. */
  work: Promise<unknown> | undefined;
  /** Of a life that is over: nothing of it is delivered any more. */
  over: boolean;
  /** Why it is paused. */
  trouble: string | undefined;
}

export const newPart = ({ topic, partition, next }: TopicPartition & { next: number }) =>
  ({
    ...{ topic, partition, next, stored: next, end: next },
    ...{ work: undefined, over: false, trouble: undefined },
  }) satisfies KafkaPart as KafkaPart;

/** Topics as the buffer remembers them. */
export function topicsOf(positions: readonly KafkaPosition[]): Map<string, KafkaTopic> {
  const topics = new Map<string, KafkaTopic>();
  for (const { topic, partition, topicId, incarnation, was, next } of positions) {
    const known = topics.get(topic) ?? {
      ...{ topic, topicId, incarnation, was, partitions: 0 },
      ...{ parts: new Map<number, KafkaPart>(), held: undefined },
    };
    topics.set(topic, known);
    known.parts.set(partition, newPart({ topic, partition, next }));
  }
  return topics;
}

/**
 * What the cluster shows of a topic, beside what we know of it. `same`. `new`. `named`: brokers
 * give ids since they were upgraded. `another`: deleted and created anew. `stale`: a broker that
 * has not heard of that yet.
 */
export type Verdict = 'same' | 'new' | 'named' | 'another' | 'stale';

export function verdictOn(known: KafkaTopic | undefined, { id }: Pick<TopicInfo, 'id'>): Verdict {
  if (!known) return 'new';
  if (id === known.topicId || id === noTopicId) return 'same';
  if (known.topicId === noTopicId) return 'named';
  return id === known.was ? 'stale' : 'another';
}
