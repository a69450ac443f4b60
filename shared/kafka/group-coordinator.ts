/**
 * What a membership asks of the broker that coordinates its group. Each call is one request and
 * rejects with a KafkaError; group errors carry Kafka's name in `kafkaCode`. Where the
 * coordinator moved, the next call finds it.
 */
export interface GroupCoordinator {
  join(request: JoinRequest): Promise<JoinAnswer>;
  /** The leader sends everybody's assignment, others none. Resolves with ours. */
  sync(
    member: GroupMember,
    assignments: readonly { memberId: string; assignment: Buffer }[],
  ): Promise<Buffer>;
  heartbeat(member: GroupMember): Promise<void>;
  leave(memberId: string): Promise<void>;
}

export interface GroupMember {
  memberId: string;
  generation: number;
}

export interface JoinRequest {
  /** Empty at first. */
  memberId: string;
  metadata: Buffer;
}

export interface JoinAnswer extends GroupMember {
  /** True: nothing but `memberId` is told, to join again with (KIP-394). */
  needsMemberId: boolean;
  leaderId: string;
  /** Told to the leader only. */
  members: { memberId: string; metadata: Buffer }[];
}
