import { connectionFields } from '#shared/kafka/connection-settings.ts';
import { setting, table } from '#shared/std/settings-spec.ts';
import {
  boolean,
  duration,
  integer,
  oneOf,
  orWord,
  size,
  texts,
} from '#shared/std/settings-types.ts';
import { limits } from '#shared/wire/limits.ts';
import { mm2Defaults, patternsProblem } from '#shared/wire/mm2-filter.ts';

/** Of either landing. */
export const namingSetting = setting(oneOf('default', 'identity'), {
  doc: "Names of what lands: <alias>.<topic>; or as at the site, all sites' of one name in one.",
  default: 'default',
});

/** `[landing] type = "kafka"`. */
export const kafkaLandingSpec = table('A Kafka cluster; shared by as many collectors as wanted.', {
  ...connectionFields,
  naming: namingSetting,
  replication_factor: setting(integer(-1, 100), {
    doc: 'Of the topics that are made; -1: as the brokers do by default.',
    default: -1,
  }),
  partitions: setting(integer(1, limits.partitionsPerTopic), {
    doc:
      'Least partitions of the topics that are made. A site with more has its topics and merged ones ' +
      'grown: from then on keys go to other partitions, so that order per key holds before and after.',
    default: 1,
  }),
  retention: setting(orWord('forever', duration(1_000)), {
    doc: 'How long records are wanted in the topics that are made.',
    default: '7d',
  }),
  longest_outage: setting(duration(0), {
    doc: "Added to it: records keep their own time, and a site's backlog may be as old as this.",
    default: '30d',
  }),
  shards: setting(integer(1, 1_000), {
    doc: 'Parts that the sites are split into among collectors; fixed when the topics are made.',
    default: 16,
  }),
  transaction_bytes: setting(size(64 * 1024), {
    doc: 'A transaction takes what waits, up to so much.',
    default: '16MiB',
  }),
  transaction_linger: setting(duration(0, 10_000), {
    doc: 'Where several sites deliver, how long a transaction waits for more: fewer, each a little later.',
    default: '5ms',
  }),
  transaction_timeout: setting(duration(1_000, 900_000), {
    doc: 'When the brokers end one that its collector left open; read_committed waits as long.',
    default: '10s',
  }),
  heartbeats: setting(boolean, {
    doc: "MirrorMaker 2's topics heartbeats and <alias>.heartbeats, for tools that watch them.",
    default: true,
  }),
  checkpoints: setting(boolean, {
    doc: "MirrorMaker 2's <alias>.checkpoints.internal and mm2-offset-syncs.<alias>.internal.",
    default: true,
  }),
  sync_group_offsets: setting(boolean, {
    doc: "Groups of sites' own Kafkas: their positions follow here, where a group has no members.",
    default: false,
  }),
  sync_topic_configs: setting(boolean, {
    doc:
      "Topics of sites' own Kafkas: their settings follow here, in the topics that were made here; " +
      'a retention with longest_outage added.',
    default: true,
  }),
  config_properties_exclude: setting(texts, {
    doc: 'Settings of topics that do not follow: names or regular expressions, as MirrorMaker 2 has them.',
    default: [...mm2Defaults.configPropertiesExclude],
    check: patternsProblem,
  }),
  sync_topic_acls: setting(boolean, {
    doc:
      'Who may read such a topic at the site (with acls = true there) may read it here: literal ' +
      'bindings are made, never one to write, and none is taken away.',
    default: false,
  }),
});
