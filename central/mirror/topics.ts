import { configFilter } from '#shared/wire/mm2-filter.ts';
import { auditTopics, type TopicAuditParts } from './audit-topics.ts';
import type { Audited, BacklogAge, MirrorOptions } from './mirror.ts';
import type { FollowOptions } from './topic-follow.ts';
import { TopicFollower } from './topic-follower.ts';

const intervalMsDefault = 1_000;
const checkMsDefault = 180_000;

/** Sites' topics at central: followed in the background where that is wanted, compared when asked. */
export interface Topics {
  /** The site has told of its topics anew. */
  changed(alias: string): void;
  audit(aliases: readonly string[], backlogAge: BacklogAge): Promise<Audited>;
  close(): Promise<void>;
}

export function openTopics(mirror: MirrorOptions): Topics {
  const { landing, clock, log, topics, intervalMs = intervalMsDefault } = mirror;
  const { configs, acls, exclude, longestOutageMs, checkMs = checkMsDefault } = topics;
  const { madeWith } = landing.topicSettings;
  const options: FollowOptions = { follows: configFilter(exclude), longestOutageMs, madeWith };
  const follower =
    configs || acls
      ? new TopicFollower({ landing, clock, log, configs, acls, options, intervalMs, checkMs })
      : undefined;
  const parts: TopicAuditParts = {
    ...{ landing, options, syncs: configs },
    refusalOf: (topic) => follower?.refusalOf(topic),
  };
  return {
    changed: (alias) => follower?.changed(alias),
    audit: (aliases, backlogAge) => auditTopics(parts, aliases, backlogAge),
    close: async () => follower?.close(),
  };
}
