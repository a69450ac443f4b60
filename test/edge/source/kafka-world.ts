import { openKafkaSource } from '#edge/source/kafka.ts';
import type { KafkaSettings } from '#edge/source/kafka-settings.ts';
import type { SourceContext } from '#edge/source/source.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { mm2Defaults } from '#shared/wire/mm2-filter.ts';
import type { FakeKafka } from '../../shared/kafka/fake-kafka.ts';
import { logBatch } from '../../shared/kafka/log-batches.ts';

export const kafkaSettings = (more: Partial<KafkaSettings> = {}): KafkaSettings => ({
  type: 'kafka',
  name: 'kafka',
  connection: { brokers: ['localhost:9092'], tls: {}, sasl: {} },
  topics: [...mm2Defaults.topics],
  topicsExclude: [...mm2Defaults.topicsExclude],
  groups: [...mm2Defaults.groups],
  groupsExclude: [...mm2Defaults.groupsExclude],
  cutLoopsOf: ['central', 'factory-a'],
  start: 'earliest',
  startOffsets: [],
  isolation: 'read_committed',
  onRecreate: 'append',
  refreshMs: 20,
  acls: false,
  ...more,
});

export const batchOf = (...records: Parameters<typeof logBatch>[0]['records']) =>
  logBatch({ baseOffset: 0, records });

/** A source over a cluster in memory, which stays open when the source stops. */
export const openOver = (
  kafka: FakeKafka,
  context: SourceContext,
  more: Partial<KafkaSettings> = {},
) =>
  openKafkaSource(kafkaSettings(more), context, {
    ...{ alias: 'factory-a', clock: systemClock, random: () => 0.1, log: silentLog },
    open: () => ({ ...kafka, producer: kafka.producer, join: kafka.join, close: async () => {} }),
  });
