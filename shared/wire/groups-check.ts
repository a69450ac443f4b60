import { aliasProblem } from './alias.ts';
import type { GroupsAnswer, GroupsReport } from './groups.ts';
import {
  integer,
  LinkFormatError,
  list,
  matching,
  named,
  object,
  type Shape,
} from './json-shape.ts';
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
        limits.groupsReportOffsets,
      ),
    }),
    limits.groupsReportOffsets,
  ),
  gone: list(group, limits.groupsReportOffsets),
  positions: list(
    object({ ...topicPartition, incarnation: id32, next: count, epoch: id32, sequence: count }),
    limits.groupsReportOffsets,
  ),
});

/** Throws a LinkFormatError with the field's path. */
export const checkGroupsReport = (json: unknown): GroupsReport => report(json, '');

const answer = object({ next: count });

export const checkGroupsAnswer = (json: unknown): GroupsAnswer => answer(json, '');
