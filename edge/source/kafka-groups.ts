import type {
  AclBinding,
  ConfigEntry,
  GroupOffset,
  KafkaAdmin,
  KafkaError,
} from '#shared/kafka/kafka.ts';
import type {
  ReadPosition,
  ReportedAcl,
  ReportedGroup,
  ReportedTopic,
} from '#shared/wire/kafka-report.ts';
import { limits } from '#shared/wire/limits.ts';
import type { NameFilter } from '#shared/wire/mm2-filter.ts';

/** A topic that the source replicates. */
export interface ReplicatedTopic {
  topic: string;
  /** Its id at the site's Kafka, 32 hexadecimal digits. */
  incarnation: string;
  partitions: number;
}

export interface KafkaGroupsOptions {
  admin: Pick<KafkaAdmin, 'groups' | 'describeGroups' | 'groupOffsets' | 'configs' | 'acls'>;
  /** `groupFilter` of shared/wire/mm2-filter.ts. */
  follows: NameFilter;
  /** What the source replicates now. */
  topics: () => readonly ReplicatedTopic[];
  /** How far it has read: what is on disk, each with the sequence behind it. */
  positions: () => Promise<readonly ReadPosition[]> | readonly ReadPosition[];
  /** Bindings of topics are told, too. */
  acls: boolean;
}

/** They are told all at once. */
const aclBytesMax = 256 * 1024;

/** What the site's Kafka is like at one moment. */
export interface KafkaSight {
  groups: ReportedGroup[];
  positions: readonly ReadPosition[];
  topics: ReportedTopic[];
  /** null: nobody asked. */
  acls: ReportedAcl[] | null;
}

/**
 * Looks at the groups that MirrorMaker 2 would follow: those of the consumer protocol (or of none)
 * that the filters take, and of their positions those in topics that are replicated. Rejects with a
 * KafkaError.
 */
export async function seeGroups(options: KafkaGroupsOptions): Promise<KafkaSight> {
  const { admin, follows } = options;
  const positions = await options.positions();
  const topics = new Map(options.topics().map((one) => [one.topic, one]));
  const names = (await admin.groups())
    .filter(({ protocolType }) => protocolType === 'consumer' || protocolType === '')
    .map(({ groupId }) => groupId)
    .filter((name) => follows(name) && Buffer.byteLength(name) <= limits.groupNameBytes)
    .sort();
  const states = new Map(
    (await admin.describeGroups(names)).map(({ groupId, state }) => [groupId, state]),
  );
  const groups: ReportedGroup[] = [];
  for (const group of names) {
    const offsets = (await admin.groupOffsets(group)).flatMap((one) => reported(one, topics));
    if (offsets.length > 0) groups.push({ group, state: states.get(group) ?? 'Dead', offsets });
  }
  return {
    ...{ groups, positions },
    topics: await Promise.all([...topics.values()].map((one) => withConfigs(admin, one))),
    acls: options.acls ? bindingsOf(await allBindings(admin), topics) : null,
  };
}

/** None for a partition that is not replicated, or not there (yet). */
function reported(
  { topic, partition, offset, metadata }: GroupOffset,
  topics: ReadonlyMap<string, ReplicatedTopic>,
): ReportedGroup['offsets'] {
  const known = topics.get(topic);
  if (!known || partition >= known.partitions || offset < 0) return [];
  const fits = Buffer.byteLength(metadata) <= limits.groupMetadataBytes;
  const { incarnation } = known;
  return [{ topic, partition, offset, incarnation, metadata: fits ? metadata : '' }];
}

async function withConfigs(
  admin: Pick<KafkaAdmin, 'configs'>,
  { topic, incarnation, partitions }: ReplicatedTopic,
): Promise<ReportedTopic> {
  const configs = (await admin.configs(topic))
    .filter(isTold)
    .map(({ name, value, source }) => ({ name, value, explicit: source === 'topic' }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .slice(0, limits.configsPerTopic);
  return { topic, incarnation, partitions, configs };
}

const isTold = ({ sensitive, name, value }: ConfigEntry): boolean =>
  !sensitive && Buffer.byteLength(name) <= 200 && Buffer.byteLength(value ?? '') <= 4_096;

/** A cluster without an authorizer has none: no reason to tell nothing of its groups. */
async function allBindings(admin: Pick<KafkaAdmin, 'acls'>): Promise<AclBinding[]> {
  try {
    return await admin.acls();
  } catch (error) {
    if ((error as KafkaError).kafkaCode === 'SECURITY_DISABLED') return [];
    throw error;
  }
}

function bindingsOf(
  bindings: readonly AclBinding[],
  topics: ReadonlyMap<string, ReplicatedTopic>,
): ReportedAcl[] {
  const told: ReportedAcl[] = [];
  let bytes = 0;
  for (const { resourceType, patternType, resourceName: topic, ...rest } of bindings) {
    if (resourceType !== 'topic' || patternType !== 'literal' || !topics.has(topic)) continue;
    const { principal, host, operation, permission } = rest;
    bytes += JSON.stringify([topic, principal, host]).length + 200;
    if (told.length >= limits.kafkaReportRows || bytes > aclBytesMax) break;
    told.push({ topic, principal, host, operation, permission });
  }
  return told;
}
