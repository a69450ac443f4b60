import { readFileSync } from 'node:fs';
import { connectionProblems } from '#shared/kafka/connection-settings.ts';
import { aliasProblem } from '#shared/wire/alias.ts';
import type { Told, WrittenOf } from './config-source.ts';
import {
  type KafkaSettings,
  kafkaDefaults,
  parseStartOffsets,
  type StartOffset,
} from './source/kafka-settings.ts';

/** `[[source]] type = "kafka"` as its adapter takes it; undefined when a problem was told. */
export function kafkaOf(
  written: WrittenOf<'kafka'>,
  alias: string | undefined,
  told: Told,
): KafkaSettings | undefined {
  const { name, brokers, tls, sasl, topics, groups, start, isolation, acls } = written;
  const startOffsets = startOffsetsOf(written.start_offsets_file, told);
  if (brokers === undefined) return undefined;
  if (brokers.length === 0) told.problem('brokers', 'is empty; name one at least');
  const connection = { brokers, tls, sasl };
  for (const [field, message] of connectionProblems(connection)) told.problem(field, message);
  if (topics.length === 0) told.warning('topics', 'is empty: nothing is replicated');
  const cutLoopsOf = written.cut_loops_of ?? [kafkaDefaults.cutLoopsOf, ...(alias ? [alias] : [])];
  for (const one of cutLoopsOf) {
    const problem = aliasProblem(one);
    if (problem) told.problem('cut_loops_of', `"${one}" ${problem}`);
  }
  return {
    ...{ type: 'kafka', name, connection, topics, groups, start, startOffsets, isolation, acls },
    ...{ topicsExclude: written.topics_exclude, groupsExclude: written.groups_exclude },
    ...{ cutLoopsOf, onRecreate: written.on_recreate, refreshMs: written.refresh_interval },
  };
}

function startOffsetsOf(file: string | undefined, told: Told): StartOffset[] {
  if (file === undefined) return [];
  try {
    return parseStartOffsets(readFileSync(file, 'utf8'));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : (code ?? message);
    told.problem(
      'start_offsets_file',
      `${file}: ${why}; when all its partitions have been begun, the setting can be removed`,
    );
    return [];
  }
}
