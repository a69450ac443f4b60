import { type GroupInfo, type GroupOffset, KafkaError } from '#shared/kafka/kafka.ts';

/** Central's coordinator, as far as offsets go. */
export class Coordinator {
  readonly groups = new Map<string, { state: string; members: number; offsets: GroupOffset[] }>();
  /** Groups that get members between being described and being written. */
  readonly waking = new Set<string>();
  /** Questions, of all kinds. */
  asked = 0;

  async describeGroups(ids: readonly string[]): Promise<GroupInfo[]> {
    this.asked += ids.length;
    return ids.flatMap((groupId) => {
      const group = this.groups.get(groupId);
      const { state = 'Dead', members = 0 } = group ?? {};
      const member = { memberId: 'm', clientId: 'c', host: 'h' };
      return [
        { groupId, state, protocolType: 'consumer', members: new Array(members).fill(member) },
      ];
    });
  }

  async groupOffsets(groupId: string): Promise<GroupOffset[]> {
    return this.groups.get(groupId)?.offsets ?? [];
  }

  async setGroupOffsets(groupId: string, offsets: readonly GroupOffset[]): Promise<void> {
    const group = this.groups.get(groupId) ?? { state: 'Empty', members: 0, offsets: [] };
    if (group.members > 0 || this.waking.has(groupId)) {
      throw new KafkaError('refused', 'the group has members', { kafkaCode: 'UNKNOWN_MEMBER_ID' });
    }
    const others = group.offsets.filter(
      (one) => !offsets.some((set) => set.topic === one.topic && set.partition === one.partition),
    );
    this.groups.set(groupId, { ...group, offsets: [...others, ...offsets] });
  }
}
