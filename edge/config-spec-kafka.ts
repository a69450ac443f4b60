import { connectionFields } from '#shared/kafka/connection-settings.ts';
import { setting, table } from '#shared/std/settings-spec.ts';
import { boolean, duration, oneOf, text, texts } from '#shared/std/settings-types.ts';
import { mm2Defaults, patternsProblem } from '#shared/wire/mm2-filter.ts';
import { sourceNameProblem } from './config-spec-name.ts';
import { kafkaDefaults } from './source/kafka-settings.ts';

const patterns = (doc: string, defaults: readonly string[]) =>
  setting(texts, { doc, default: [...defaults], check: patternsProblem });

/** `[[source]] type = "kafka"`. */
export const kafka = table("The site's own Kafka: its topics and consumer groups, replicated.", {
  name: setting(text, {
    doc: 'Unique name of this source; the positions are kept under it, so do not change it.',
    default: kafkaDefaults.name,
    check: sourceNameProblem,
  }),
  ...connectionFields,
  topics: patterns(
    'Topics, by name or regular expression, as MirrorMaker 2 reads them.',
    mm2Defaults.topics,
  ),
  topics_exclude: patterns('Of these, not the following.', mm2Defaults.topicsExclude),
  groups: patterns('Consumer groups whose positions central is told.', mm2Defaults.groups),
  groups_exclude: patterns('Of these, not the following.', mm2Defaults.groupsExclude),
  cut_loops_of: setting(texts, {
    doc: 'Topics whose name says that they came from these clusters are not sent back.',
    shownDefault: `["${kafkaDefaults.cutLoopsOf}", this alias]`,
  }),
  start: setting(oneOf('earliest', 'latest'), {
    doc: 'Where topics begin that are there when this source first looks; later ones: earliest.',
    default: 'earliest',
  }),
  start_offsets_file: setting(text, {
    doc: 'Where partitions begin that have no position here yet; written by import-mm2.',
    example: '"/etc/…"',
  }),
  isolation: setting(oneOf('read_committed', 'read_uncommitted'), {
    doc: 'Whether records of open and of aborted transactions are left out or taken.',
    default: 'read_committed',
  }),
  on_recreate: setting(oneOf('append', 'halt'), {
    doc: 'A topic was deleted and created anew: go on with it from its beginning, or stop there.',
    default: 'append',
  }),
  refresh_interval: setting(duration(100, 3_600_000), {
    doc: 'How often new topics and partitions are looked for.',
    default: kafkaDefaults.refresh,
  }),
  acls: setting(boolean, {
    doc: 'Tell central who may read the topics, so that it can have the same there.',
    default: false,
  }),
});
