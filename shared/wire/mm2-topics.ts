import { remoteTopic, separator, splitRemoteTopic } from './topic-name.ts';

/**
 * Names of MirrorMaker 2's internal topics at central (DefaultReplicationPolicy, separator "."; all
 * have one partition and are compacted). Ours is the layout of `offset-syncs.topic.location =
 * target`: an edge without a Kafka has nowhere else to keep them.
 */
export const heartbeatsTopic = 'heartbeats';

/** Its existence makes MirrorClient list `alias` among the upstream clusters, one hop away. */
export const remoteHeartbeatsTopic = (alias: string): string => remoteTopic(alias, heartbeatsTopic);

export const checkpointsTopic = (alias: string): string =>
  `${alias}${separator}checkpoints${separator}internal`;

export const offsetSyncsTopic = (alias: string): string =>
  `mm2-offset-syncs${separator}${alias}${separator}internal`;

/**
 * How central names what comes from a site. `default`: `<alias>.<topic>`. `identity`: as the source
 * does (IdentityReplicationPolicy), so that all sites' topics of one name are one topic; heartbeats
 * keep the prefix.
 */
export type Naming = 'default' | 'identity';

/** Central's name of `topic` of the site `alias`. */
export const landedTopic = (alias: string, topic: string, naming: Naming): string =>
  naming === 'identity' && !topic.endsWith(heartbeatsTopic) ? topic : remoteTopic(alias, topic);

/** `heartbeats`, over however many hops. */
export const isHeartbeatsTopic = (topic: string): boolean =>
  topic === heartbeatsTopic || topic.endsWith(`${separator}${heartbeatsTopic}`);

/**
 * Topics that MirrorMaker 2 never replicates, whatever its filters say: broker and Streams
 * internals, its own (`.internal`, `-internal`), and hidden ones.
 */
export const isMm2Internal = (topic: string): boolean =>
  topic.startsWith('__') ||
  topic.startsWith('.') ||
  topic.endsWith('.internal') ||
  topic.endsWith('-internal');

/**
 * Whether `topic` at a site has been at the cluster `alias` before, over however many hops: what
 * must not go back there (MirrorSourceConnector.isCycle).
 */
export function cameFrom(alias: string, topic: string): boolean {
  let rest: string | undefined = topic;
  while (rest !== undefined) {
    const parts = splitRemoteTopic(rest);
    if (parts?.alias === alias) return true;
    rest = parts?.topic;
  }
  return false;
}
