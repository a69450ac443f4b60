import type { Isolation, KafkaAdmin } from '#shared/kafka/kafka.ts';
import { noTopicId } from './kafka-position.ts';
import type { KafkaPart, KafkaTopic } from './kafka-topic.ts';

/**
 * Why a position is not in its partition's log, and what follows. `purged`: retention went past it,
 * and what is between is lost. `behind`: the log ends before it. `none`: it is there again.
 */
export type OutOfRange =
  | { kind: 'none' }
  | { kind: 'purged'; start: number; records: number; detail: string }
  | { kind: 'behind'; start: number; end: number };

export async function seeOutOfRange(
  part: KafkaPart,
  admin: Pick<KafkaAdmin, 'offsets'>,
): Promise<OutOfRange> {
  const { topic, partition, next } = part;
  const of = [{ topic, partition }];
  const isolation: Isolation = 'uncommitted';
  const [[start], [end]] = await Promise.all([
    admin.offsets(of, 'earliest', isolation),
    admin.offsets(of, 'latest', isolation),
  ]);
  if (next < start!) {
    const detail =
      `offsets ${next} to ${start! - 1} of "${topic}" were gone when they were to be read: ` +
      'its retention is shorter than the source was away';
    return { kind: 'purged', start: start!, records: start! - next, detail };
  }
  return next > end! ? { kind: 'behind', start: start!, end: end! } : { kind: 'none' };
}

/**
 * Without topic ids, a log that ends before our position is how a topic that was created anew shows
 * itself. With them, records that we took are gone from it (an unclean election of a leader).
 */
export const isCreatedAnew = ({ topicId }: KafkaTopic): boolean => topicId === noTopicId;
