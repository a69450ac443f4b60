import type { KafkaAdmin, KafkaError, TopicInfo } from '#shared/kafka/kafka.ts';
import { landedTopic } from '#shared/wire/mm2-topics.ts';
import { type AuditedTopic, auditTopic, type CentralTopic } from './audit.ts';
import type { Audited, BacklogAge, MirrorHost, TopicDrift } from './mirror.ts';
import { followsOne, toldTopics } from './site-topics.ts';
import type { FollowOptions } from './topic-follow.ts';

export interface TopicAuditParts {
  landing: Pick<
    MirrorHost,
    'kafka' | 'aliases' | 'facts' | 'topic' | 'topicSettings' | 'ofOneSite'
  >;
  options: FollowOptions;
  /** Settings follow their site's. */
  syncs: boolean;
  /** Why a topic does not follow, where that was tried. */
  refusalOf: (topic: string) => string | undefined;
}

const askedAtOnce = 8;

/** All topics that these sites told of, the worst first. Rejects with a KafkaError. */
export async function auditTopics(
  parts: TopicAuditParts,
  aliases: readonly string[],
  backlogAge: BacklogAge,
): Promise<Audited> {
  const { topicSettings } = parts.landing;
  const told = aliases.flatMap((alias) =>
    [...toldTopics(parts.landing.facts(alias) ?? new Map()).values()].map(({ site }) => {
      return { alias, site, topic: landedTopic(alias, site.topic, topicSettings.naming) };
    }),
  );
  if (told.length === 0) return { topics: [], drifts: [] };
  const infos = await parts.landing.kafka.admin.topics(told.map(({ topic }) => topic));
  const found = new Map(infos.map((info) => [info.topic, info]));
  const drifts: TopicDrift[] = [];
  for (let at = 0; at < told.length; at += askedAtOnce) {
    const some = told.slice(at, at + askedAtOnce).map(async (one) => {
      const central = await centralTopic(parts, found.get(one.topic));
      const backlogAgeMs = backlogAge(one.alias, one.site.topic);
      return driftsOf(parts, { ...one, central, backlogAgeMs }, found.get(one.topic));
    });
    drifts.push(...(await Promise.all(some)).flat());
  }
  return { topics: told.map(({ topic }) => topic), drifts: drifts.sort(worstFirst) };
}

function driftsOf(
  { landing, options, syncs, refusalOf }: TopicAuditParts,
  audited: AuditedTopic,
  info: TopicInfo | undefined,
): TopicDrift[] {
  const { alias, topic } = audited;
  const isOurs = info !== undefined && followsOne(landing, info);
  const drifts = auditTopic(audited, { ...options, syncs: syncs && isOurs });
  const meaning = isOurs ? refusalOf(topic) : undefined;
  if (meaning === undefined) return drifts;
  const none = { site: null, central: null, change: null };
  return [...drifts, { alias, topic, what: 'refused', severity: 'warning', meaning, ...none }];
}

async function centralTopic(
  { landing }: TopicAuditParts,
  info: TopicInfo | undefined,
): Promise<CentralTopic | null> {
  const configs = info && (await configsOf(landing.kafka.admin, info.topic));
  if (!configs) return null;
  const { topic, partitions } = info;
  return {
    ...{ configs, partitions: partitions.length, grows: landing.topic(topic) !== undefined },
    replicas: Math.max(0, ...partitions.map(({ replicas }) => replicas.length)),
  };
}

/** undefined: deleted since. */
async function configsOf(admin: KafkaAdmin, topic: string) {
  try {
    return await admin.configs(topic);
  } catch (error) {
    if ((error as KafkaError).code === 'missing') return undefined;
    throw error;
  }
}

const ranks = { danger: 0, warning: 1, note: 2 } as const;

const worstFirst = (a: TopicDrift, b: TopicDrift): number =>
  ranks[a.severity] - ranks[b.severity] || (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : 0);
