import type { ReportedAcl, ReportedTopic } from '#shared/wire/kafka-report.ts';
import { splitRemoteTopic } from '#shared/wire/topic-name.ts';
import type { MirrorHost } from './mirror.ts';
import { factKey, readFactKey, type TopicFact } from './site-facts.ts';

/** A topic as its site has told of it, with its bindings. */
export interface ToldTopic {
  site: ReportedTopic;
  acls: ReportedAcl[];
}

/** Among many facts of groups. */
const isOfTopics = (key: string): boolean =>
  key.startsWith('["topic",') || key.startsWith('["acl",');

/** Whether topics, or who may do what with them, are told anew. */
export const tellsOfTopics = (facts: Iterable<{ key: string }>): boolean => {
  for (const { key } of facts) if (isOfTopics(key)) return true;
  return false;
};

/** By their names at the site. */
export function toldTopics(facts: ReadonlyMap<string, string>): Map<string, ToldTopic> {
  const topics = new Map<string, ToldTopic>();
  const acls: ReportedAcl[] = [];
  for (const [text, value] of facts) {
    const key = isOfTopics(text) ? readFactKey(text) : undefined;
    if (key?.[0] === 'topic') {
      const site = { topic: key[1], ...(JSON.parse(value) as TopicFact) };
      topics.set(key[1], { site, acls: [] });
    } else if (key?.[0] === 'acl') {
      const [, topic, principal, host, operation, permission] = key;
      acls.push({ topic, principal, host, operation, permission });
    }
  }
  for (const acl of acls) topics.get(acl.topic)?.acls.push(acl);
  return topics;
}

/**
 * What the one site that tells of a topic at central has told of it; undefined: none does, or
 * several do, and it follows none of them.
 */
export function tellerOf(
  { aliases, facts, topicSettings }: Pick<MirrorHost, 'aliases' | 'facts' | 'topicSettings'>,
  topic: string,
): ReportedTopic | undefined {
  const { alias, topic: ofSite } = splitRemoteTopic(topic) ?? {};
  const shared = topicSettings.naming === 'identity';
  const told = (shared ? aliases() : alias === undefined ? [] : [alias]).flatMap((one) => {
    const name = shared ? topic : ofSite!;
    const fact = facts(one)?.get(factKey(['topic', name]));
    return fact === undefined ? [] : [{ topic: name, ...(JSON.parse(fact) as TopicFact) }];
  });
  return told.length === 1 ? told[0] : undefined;
}

/** Whether the topic of this id follows a site: it was made here, and for that one alone. */
export function followsOne(
  landing: Pick<MirrorHost, 'aliases' | 'facts' | 'topic' | 'topicSettings' | 'ofOneSite'>,
  { topic, id }: { topic: string; id: string },
): boolean {
  if (!landing.topic(topic)?.made.has(id)) return false;
  if (landing.topicSettings.naming === 'default') return true;
  return landing.ofOneSite(new Set([topic])).has(topic) && tellerOf(landing, topic) !== undefined;
}
