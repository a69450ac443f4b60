import type { ReadPosition, ReportedConfig, ReportedOffset } from '#shared/wire/kafka-report.ts';

/**
 * What a site has told of its Kafka, as the landing keeps it: a fact each, key and value JSON.
 *
 *   ["state", group]                     StateFact
 *   ["group", group, topic, partition]   OffsetFact
 *   ["read", topic, partition]           ReadFact
 *   ["topic", topic]                     TopicFact
 *   ["acl", topic, principal, host, operation, permission]   {}
 */
export type FactKey =
  | ['state', string]
  | ['group', string, string, number]
  | ['read', string, number]
  | ['topic', string]
  | ['acl', string, string, string, string, 'ALLOW' | 'DENY'];

export interface StateFact {
  /** Kafka's. */
  state: string;
}

export type OffsetFact = Pick<ReportedOffset, 'offset' | 'incarnation' | 'metadata'> & {
  /** When it was told, ms. */
  at: number;
};

export type ReadFact = Omit<ReadPosition, 'topic' | 'partition'>;

export interface TopicFact {
  incarnation: string;
  partitions: number;
  /** Empty where they were too large to be kept. */
  configs: ReportedConfig[];
}

export const factKey = (key: FactKey): string => JSON.stringify(key);

/** undefined for one that this version does not know. */
export function readFactKey(key: string): FactKey | undefined {
  const parts = JSON.parse(key) as FactKey;
  return kinds.has(parts[0]) ? parts : undefined;
}

const kinds: ReadonlySet<string> = new Set<FactKey[0]>(['state', 'group', 'read', 'topic', 'acl']);
