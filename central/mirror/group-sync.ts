import type { GroupInfo, GroupOffset, KafkaAdmin, KafkaError } from '#shared/kafka/kafka.ts';

/**
 * Groups' positions put into central's own `__consumer_offsets`, so that a group that is started
 * here goes on where it was. By MirrorMaker 2's rules (sync.group.offsets): never under a group that
 * has members, never back, never away.
 */
export interface GroupSyncResult {
  group: string;
  /**
   * `current`: central is there already, or further on. `active`: the group has members at central,
   * and whatever they commit counts.
   */
  outcome: 'set' | 'current' | 'active';
  /** What was (or, in a dry run, would be) set. */
  offsets: GroupOffset[];
}

type GroupAdmin = Pick<KafkaAdmin, 'describeGroups' | 'groupOffsets' | 'setGroupOffsets'>;

/** Kafka's states of a group without members; `Dead` is one that was never there. */
const memberless: ReadonlySet<string> = new Set(['Empty', 'Dead']);

/** What is to be set: where central has nothing, or is behind. */
export function offsetsToSet(
  wanted: readonly GroupOffset[],
  existing: readonly GroupOffset[],
): GroupOffset[] {
  const at = new Map(existing.map((one) => [placeOf(one), one.offset]));
  return wanted.filter((one) => (at.get(placeOf(one)) ?? -1) < one.offset);
}

/**
 * Where one partition is named twice, the lowest position: the group may read what it has read, and
 * misses nothing.
 */
export function lowestOffsets(wanted: readonly GroupOffset[]): GroupOffset[] {
  const lowest = new Map<string, GroupOffset>();
  for (const one of wanted) {
    const known = lowest.get(placeOf(one));
    if (!known || one.offset < known.offset) lowest.set(placeOf(one), one);
  }
  return [...lowest.values()];
}

/** Rejects with a KafkaError; groups done by then are done. */
export async function syncGroups(
  admin: GroupAdmin,
  wanted: ReadonlyMap<string, readonly GroupOffset[]>,
  options: { dryRun?: boolean } = {},
): Promise<GroupSyncResult[]> {
  const described = await admin.describeGroups([...wanted.keys()]);
  const states = new Map(described.map((info) => [info.groupId, info]));
  const results: GroupSyncResult[] = [];
  for (const [group, offsets] of wanted) {
    const info = states.get(group);
    const outcome = hasMembers(info)
      ? { outcome: 'active' as const, offsets: [] }
      : await syncOne(admin, group, lowestOffsets(offsets), options.dryRun ?? false);
    results.push({ group, ...outcome });
  }
  return results;
}

const hasMembers = (info: GroupInfo | undefined): boolean =>
  info !== undefined && (info.members.length > 0 || !memberless.has(info.state));

async function syncOne(
  admin: GroupAdmin,
  group: string,
  wanted: readonly GroupOffset[],
  dryRun: boolean,
): Promise<Omit<GroupSyncResult, 'group'>> {
  const offsets = offsetsToSet(wanted, await admin.groupOffsets(group));
  if (offsets.length === 0) return { outcome: 'current', offsets };
  if (dryRun) return { outcome: 'set', offsets };
  try {
    await admin.setGroupOffsets(group, offsets);
    return { outcome: 'set', offsets };
  } catch (error) {
    // It got members since it was described.
    if ((error as KafkaError).code === 'refused') return { outcome: 'active', offsets: [] };
    throw error;
  }
}

const placeOf = ({ topic, partition }: GroupOffset): string => `${topic}/${partition}`;
