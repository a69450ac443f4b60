import type { Kafka } from '#shared/kafka/kafka.ts';
import { streamKey } from '#shared/wire/link.ts';
import type { MirrorHost } from '../mirror/mirror.ts';
import { decodeIndexEntry } from './index-entry.ts';
import type { BesideWriter } from './kafka-beside.ts';
import { ownTopics, shardOf } from './kafka-names.ts';
import type { Shard } from './shard.ts';
import { topicFactIn } from './shard-state.ts';

interface Parts {
  kafka: Kafka;
  beside: BesideWriter;
  topicSettings: MirrorHost['topicSettings'];
}

/** What the mirror sees of the shards; theirs and ours alike, since each is followed here. */
export function mirrorHost(
  shards: readonly Shard[],
  { kafka, beside, topicSettings }: Parts,
): MirrorHost {
  const shard = (alias: string): Shard => shards[shardOf(alias, shards.length)]!;
  const facts = (alias: string) => {
    const known = shard(alias).state.alias(alias)?.facts;
    return known && known.size > 0 ? known : undefined;
  };
  const states = shards.map(({ state }) => state);
  return {
    kafka,
    aliases: () =>
      shards.flatMap(({ state }) => [...state.aliases.keys()].filter((alias) => facts(alias))),
    facts,
    term: (alias) => shard(alias).term,
    indexOf: (alias) => ({ topic: ownTopics.index, partition: shard(alias).id }),
    readEntry: decodeIndexEntry,
    through: (alias, stream) =>
      shard(alias).state.alias(alias)?.streams.get(streamKey(stream))?.row.through ?? -1,
    ofOneSite: (topics) => ofOneSite(shards, topics),
    attach: (writer) => beside.attach(writer),
    nudge: (alias) => shard(alias).nudge(),
    topic(name) {
      const fact = topicFactIn(states, name, topicSettings.naming);
      const made = states.flatMap((state) => state.made.get(name) ?? []);
      return fact && { kind: fact.kind, made: new Set(made) };
    },
    topicSettings,
  };
}

function ofOneSite(shards: readonly Shard[], topics: ReadonlySet<string>): Set<string> {
  const sites = new Map<string, Set<string>>([...topics].map((topic) => [topic, new Set()]));
  for (const { alias, streams } of shards.flatMap(({ state }) => state.known())) {
    for (const { row } of streams.values()) sites.get(row.remoteTopic ?? '')?.add(alias);
  }
  return new Set([...topics].filter((topic) => sites.get(topic)!.size <= 1));
}
