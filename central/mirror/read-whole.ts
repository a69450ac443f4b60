import { type FetchPosition, type Kafka, KafkaError } from '#shared/kafka/kafka.ts';
import { type LogRecord, openRecords } from '#shared/kafka/open-records.ts';
import { systemClock } from '#shared/std/clock.ts';

/** Rounds in a row that brought nothing, and the pause behind one that failed, ms. */
const roundsMax = 20;
const pauseMs = 500;

/**
 * Every committed record of a topic, from its start to where its end was when this was called;
 * partition by partition in order. What is in a transaction then counts, too: a commit is answered
 * before its markers stand in the log. Rejects with a KafkaError; a topic that does not exist has
 * none.
 */
export async function readWhole(
  { admin, reads }: Pick<Kafka, 'admin' | 'reads'>,
  topic: string,
  take: (record: LogRecord, partition: number) => void,
): Promise<void> {
  const [info] = await admin.topics([topic]);
  if (!info) return;
  const places = info.partitions.map(({ partition }) => ({ topic, partition }));
  const [starts, ends] = await Promise.all([
    admin.offsets(places, 'earliest'),
    admin.offsets(places, 'latest', 'uncommitted'),
  ]);
  const ending = new Map(places.map(({ partition }, i) => [partition, ends[i]!]));
  let open: FetchPosition[] = places
    .map((place, i) => ({ ...place, offset: starts[i]! }))
    .filter(({ partition, offset }) => offset < ending.get(partition)!);
  let failed = 0;
  while (open.length > 0) {
    const answers = await reads.fetch(open, { maxWaitMs: 500, isolation: 'committed' });
    const trouble = answers.find(({ error }) => error !== null)?.error;
    const stands = answers.every(({ nextOffset }, i) => nextOffset <= open[i]!.offset);
    failed = trouble || stands ? failed + 1 : 0;
    if (trouble && (!trouble.canRetry || failed > roundsMax)) throw trouble;
    if (failed > roundsMax) throw stuckAt(open[0]!);
    if (trouble) await systemClock.sleep(pauseMs);
    for (const [i, { batches, partition }] of answers.entries()) {
      const { offset } = open[i]!;
      for (const { bytes } of batches) {
        for (const record of openRecords(bytes, { trusted: true })) {
          const isNew = record.offset >= offset && record.offset < ending.get(partition)!;
          if (isNew) take(record, partition);
        }
      }
    }
    open = answers
      .map(({ error, nextOffset }, i) => (error ? open[i]! : { ...open[i]!, offset: nextOffset }))
      .filter(({ partition, offset }) => offset < ending.get(partition)!);
  }
}

/** Another attempt may find it ended. */
export const stuckAt = (at: FetchPosition): KafkaError =>
  new KafkaError('unavailable', `a transaction is open at ${at.offset}, or nobody leads it`, at);
