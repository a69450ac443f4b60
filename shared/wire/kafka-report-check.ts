import { aliasProblem } from './alias.ts';
import {
  boolean,
  integer,
  LinkFormatError,
  list,
  matching,
  named,
  nullable,
  object,
  oneOf,
  type Shape,
} from './json-shape.ts';
import type { KafkaAnswer, KafkaReport } from './kafka-report.ts';
import { limits } from './limits.ts';
import { linkVersion } from './link.ts';
import { topicProblem } from './topic-name.ts';

const id32 = matching(/^[0-9a-f]{32}$/, '32 lowercase hexadecimal digits');
const count = integer();

/** Words of a Kafka client, which may be empty; longer than `bytesMax` they are refused. */
const words =
  (bytesMax: number): Shape<string> =>
  (value, path) => {
    if (typeof value !== 'string' || Buffer.byteLength(value) > bytesMax) {
      throw new LinkFormatError(path, value, `must be a string of ${bytesMax} bytes at most`);
    }
    return value;
  };

const group = words(limits.groupNameBytes);
const topicPartition = {
  topic: named((value) => topicProblem(value)),
  partition: integer(0, limits.partitionsPerTopic - 1),
};

const report = object({
  version: integer(linkVersion, linkVersion),
  alias: named(aliasProblem),
  session: id32,
  number: count,
  groups: list(
    object({
      group,
      state: words(50),
      offsets: list(
        object({
          ...topicPartition,
          offset: count,
          incarnation: id32,
          metadata: words(limits.groupMetadataBytes),
        }),
        limits.kafkaReportRows,
      ),
    }),
    limits.kafkaReportRows,
  ),
  gone: list(group, limits.kafkaReportRows),
  positions: list(
    object({ ...topicPartition, incarnation: id32, next: count, epoch: id32, sequence: count }),
    limits.kafkaReportRows,
  ),
  topics: list(
    object({
      topic: topicPartition.topic,
      incarnation: id32,
      partitions: integer(1, limits.partitionsPerTopic),
      configs: list(
        object({ name: words(200), value: nullable(words(4_096)), explicit: boolean }),
        limits.configsPerTopic,
      ),
    }),
    limits.kafkaReportRows,
  ),
  acls: nullable(
    list(
      object({
        topic: topicPartition.topic,
        principal: words(1_000),
        host: words(300),
        operation: matching(/^[A-Z_]{1,40}$/, "an operation by Kafka's name, for example READ"),
        permission: oneOf('ALLOW', 'DENY'),
      }),
      limits.kafkaReportRows,
    ),
  ),
  complete: boolean,
});

/** Throws a LinkFormatError with the field's path. */
export const checkKafkaReport = (json: unknown): KafkaReport => report(json, '');

const answer = object({ next: count });

export const checkKafkaAnswer = (json: unknown): KafkaAnswer => answer(json, '');
