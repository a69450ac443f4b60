import { connectionFields } from '#shared/kafka/connection-settings.ts';
import { setting, table } from '#shared/std/settings-spec.ts';
import { boolean, duration, integer, oneOf, orWord, size } from '#shared/std/settings-types.ts';
import { limits } from '#shared/wire/limits.ts';

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
    doc: 'How long a transaction waits for more: fewer of them, each a little later.',
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
});
