import type {
  GroupCoordinator,
  GroupMember,
  JoinAnswer,
  JoinRequest,
} from '#shared/kafka/group-coordinator.ts';
import { KafkaError, type Membership, type MembershipOptions } from '#shared/kafka/kafka.ts';
import { readMemberMetadata } from '#shared/kafka/member-metadata.ts';
import { GroupMembership } from '#shared/kafka/membership.ts';
import { silentLog } from '#shared/std/log.ts';
import { MachineClock, VirtualTime } from '../../sim/virtual-clock.ts';

/** An error as the coordinator answers it. */
export const groupError = (kafkaCode: string): KafkaError =>
  new KafkaError('fatal', kafkaCode, { kafkaCode });
export const unreachable = (): KafkaError => new KafkaError('unavailable', 'no answer');

type Call = 'join' | 'sync' | 'heartbeat' | 'leave';

/**
 * Answers as a group of this one member would, but for what a test puts in the way: errors by call,
 * each taken once, or `down` for all.
 */
export class FakeCoordinator implements GroupCoordinator {
  readonly calls: { call: Call; memberId: string; at: number }[] = [];
  readonly joins: string[] = [];
  readonly errors: { [call in Call]: unknown[] } = { join: [], sync: [], heartbeat: [], leave: [] };
  down = false;
  /** Held joins: resolved by the test. */
  hold: Promise<void> | undefined;
  generation = 0;
  assignment = 'shard 1';
  /** Set: another member leads. */
  leaderId: string | undefined;
  others: { memberId: string; metadata: Buffer }[] = [];
  synced: readonly { memberId: string; assignment: Buffer }[] = [];
  #members = 0;
  readonly #time: VirtualTime;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  async join({ memberId, metadata }: JoinRequest): Promise<JoinAnswer> {
    await this.#begin('join', memberId);
    if (memberId === '') {
      this.#members += 1;
      const answer = { generation: -1, leaderId: '', members: [], needsMemberId: true };
      return { ...answer, memberId: `member-${this.#members}` };
    }
    await this.hold;
    this.joins.push(readMemberMetadata(metadata).metadata);
    this.generation += 1;
    const leaderId = this.leaderId ?? memberId;
    const members = leaderId === memberId ? [{ memberId, metadata }, ...this.others] : [];
    return { generation: this.generation, leaderId, memberId, members, needsMemberId: false };
  }

  async sync({ memberId }: GroupMember, all: FakeCoordinator['synced']): Promise<Buffer> {
    await this.#begin('sync', memberId);
    this.synced = all;
    const ours = all.find((one) => one.memberId === memberId);
    return ours?.assignment ?? Buffer.from(this.assignment);
  }

  async heartbeat({ memberId, generation }: GroupMember): Promise<void> {
    await this.#begin('heartbeat', memberId);
    if (generation !== this.generation) throw groupError('ILLEGAL_GENERATION');
  }

  async leave(memberId: string): Promise<void> {
    await this.#begin('leave', memberId);
  }

  async #begin(call: Call, memberId: string): Promise<void> {
    this.calls.push({ call, memberId, at: this.#time.now });
    const error = this.errors[call].shift();
    if (error !== undefined) throw error;
    if (this.down) throw unreachable();
  }

  count = (call: Call): number => this.calls.filter((one) => one.call === call).length;
}

export interface World {
  group: FakeCoordinator;
  member: Membership;
  /** All that `onAssignment` was told. */
  told: (string | null)[];
  /** Lets so much time pass, ms. */
  pass(ms: number): Promise<void>;
}

export const timing = {
  sessionTimeoutMs: 6000,
  heartbeatIntervalMs: 500,
  rebalanceTimeoutMs: 8000,
};

export function memberWorld(
  options: Partial<MembershipOptions> = {},
  prepare: (group: FakeCoordinator) => void = () => {},
): World {
  const time = new VirtualTime();
  const group = new FakeCoordinator(time);
  prepare(group);
  const told: (string | null)[] = [];
  const assign = (members: readonly { memberId: string; metadata: string }[]) =>
    new Map(members.map(({ memberId, metadata }) => [memberId, `${metadata} leads`]));
  const onAssignment = (assignment: string | null) => told.push(assignment);
  const member = new GroupMembership(
    { groupId: 'g', metadata: 'me', ...timing, assign, onAssignment, ...options },
    { coordinator: group, clock: new MachineClock(time, 0), random: () => 1, log: silentLog },
  );
  return { group, member, told, pass: (ms) => passTime(time, ms) };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function passTime(time: VirtualTime, ms: number): Promise<void> {
  const until = time.now + ms;
  await settle();
  while (time.step(until)) await settle();
}
