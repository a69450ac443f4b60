import { Backoff } from '../std/backoff.ts';
import type { Clock } from '../std/clock.ts';
import type { GroupCoordinator, GroupMember, JoinAnswer } from './group-coordinator.ts';
import { type KafkaDeps, KafkaError, type Membership, type MembershipOptions } from './kafka.ts';
import { readMemberMetadata, writeMemberMetadata } from './member-metadata.ts';

export interface MembershipDeps extends KafkaDeps {
  coordinator: GroupCoordinator;
  clock: Clock;
  random: () => number;
}

/** What an answer says about where we stand. */
type Standing =
  /** The group forms a new generation: join with the member id that we have. */
  | 'rebalance'
  /** Our generation is over: what we were assigned may be another's by now. */
  | 'old-generation'
  /** The group does not know us (any more). */
  | 'unknown-member'
  | 'closed'
  /** Nothing about us: the coordinator moved, is down, or refuses all. */
  | 'trouble';

const standings: { readonly [kafkaCode: string]: Standing } = {
  REBALANCE_IN_PROGRESS: 'rebalance',
  ILLEGAL_GENERATION: 'old-generation',
  UNKNOWN_MEMBER_ID: 'unknown-member',
  // said to static members only, which we are not
  FENCED_INSTANCE_ID: 'unknown-member',
};

function standingOf(error: unknown): Standing {
  if (!(error instanceof KafkaError)) return 'trouble';
  if (error.code === 'closed') return 'closed';
  return standings[error.kafkaCode ?? ''] ?? 'trouble';
}

/**
 * A member of a classic consumer group (KIP-62, KIP-394) that consumes nothing: join, sync, then
 * heartbeats until the group forms anew. It keeps what it was assigned through a rebalance, and
 * lets go when the group says that it is out, or when for `sessionTimeoutMs` no heartbeat got
 * through by its own clock: by then the group may have given it to another.
 */
export class GroupMembership implements Membership {
  readonly #options: MembershipOptions;
  readonly #deps: MembershipDeps;
  readonly #ended = new AbortController();
  readonly #backoff: Backoff;
  #metadata: string;
  #member: GroupMember = { memberId: '', generation: -1 };
  /** What the member's own generation gave it; null: it is in none. */
  #assignment: string | null = null;
  #told: string | null = null;
  /** Monotonic, ms: when what the group answered last was asked. */
  #contactAt: number;
  /** Differs with each `rejoin`: a coordinator answers the unchanged join of a follower by itself. */
  #joins = 0;
  #wake = new AbortController();
  #mustJoin = true;
  #trouble: string | undefined;
  #left: Promise<void> | undefined;

  constructor(options: MembershipOptions, deps: MembershipDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#metadata = options.metadata;
    this.#contactAt = deps.clock.monotonic();
    this.#backoff = new Backoff({
      baseMs: 100,
      maxMs: Math.max(1000, options.heartbeatIntervalMs),
      random: deps.random,
    });
    void this.#run();
    void this.#watch();
  }

  rejoin(metadata?: string): void {
    if (metadata !== undefined) this.#metadata = metadata;
    this.#joins += 1;
    this.#mustJoin = true;
    this.#wake.abort();
  }

  leave(): Promise<void> {
    this.#left ??= this.#leave();
    return this.#left;
  }

  async #leave(): Promise<void> {
    this.#end();
    const { memberId } = this.#member;
    if (memberId === '') return;
    try {
      await this.#deps.coordinator.leave(memberId);
    } catch (error) {
      const { groupId, sessionTimeoutMs } = this.#options;
      const after = `it notices by itself after ${sessionTimeoutMs} ms`;
      this.#deps.log.warn({ groupId, err: error }, `the group was not told that we left: ${after}`);
    }
  }

  #end(): void {
    this.#ended.abort();
    this.#wake.abort();
  }

  async #run(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      try {
        if (this.#mustJoin) await this.#join();
        else await this.#heartbeat();
        this.#trouble = undefined;
        this.#backoff.reset();
        if (!this.#mustJoin) await this.#pause(this.#options.heartbeatIntervalMs);
      } catch (error) {
        if (this.#ended.signal.aborted) return;
        if (this.#takeIn(error)) await this.#pause(this.#backoff.next());
      }
    }
  }

  async #join(): Promise<void> {
    this.#mustJoin = false;
    if (this.#wake.signal.aborted) this.#wake = new AbortController();
    try {
      await this.#joinAndSync();
    } catch (error) {
      this.#mustJoin = true;
      throw error;
    }
  }

  async #joinAndSync(): Promise<void> {
    const { coordinator, clock } = this.#deps;
    const metadata = writeMemberMetadata({ joins: this.#joins, metadata: this.#metadata });
    let { memberId } = this.#member;
    let answer = await coordinator.join({ memberId, metadata });
    if (answer.needsMemberId) {
      memberId = answer.memberId;
      this.#member = { memberId, generation: -1 };
      if (this.#ended.signal.aborted) return;
      answer = await coordinator.join({ memberId, metadata });
    }
    // the group has our session begin when it answers a join, however long it held it
    this.#contactAt = clock.monotonic();
    this.#member = { memberId: answer.memberId, generation: answer.generation };
    if (this.#ended.signal.aborted) return;
    this.#assignment = null;
    const ours = await this.#sync(answer).catch((error) => {
      // what we had may be another's in the new generation, of which we know nothing
      this.#tellOut('the group formed anew, and its assignment did not come');
      throw error;
    });
    this.#contactAt = clock.monotonic();
    this.#assignment = ours.toString();
    this.#tell(this.#assignment);
  }

  async #sync({ leaderId, members }: JoinAnswer): Promise<Buffer> {
    const isLeader = leaderId === this.#member.memberId;
    return this.#deps.coordinator.sync(this.#member, isLeader ? this.#assign(members) : []);
  }

  #assign(
    members: readonly { memberId: string; metadata: Buffer }[],
  ): { memberId: string; assignment: Buffer }[] {
    const read = members.map(({ memberId, metadata }) => ({
      memberId,
      metadata: readMemberMetadata(metadata).metadata,
    }));
    const assigned = this.#options.assign(read);
    return members.map(({ memberId }) => ({
      memberId,
      assignment: Buffer.from(assigned.get(memberId) ?? ''),
    }));
  }

  async #heartbeat(): Promise<void> {
    const { coordinator, clock } = this.#deps;
    const askedAt = clock.monotonic();
    try {
      await coordinator.heartbeat(this.#member);
      this.#contactAt = askedAt;
    } catch (error) {
      if (standingOf(error) === 'rebalance') this.#contactAt = askedAt;
      throw error;
    }
    // the generation is still ours: after a silence by our clock alone, go on
    this.#tell(this.#assignment);
  }

  /** What a failed call means; true: wait before the next. */
  #takeIn(error: unknown): boolean {
    const standing = standingOf(error);
    if (standing === 'closed') {
      this.#out('the connection to Kafka was closed');
      this.#end();
      return false;
    }
    if (standing === 'trouble') {
      this.#report(error as Error);
      return true;
    }
    this.#mustJoin = true;
    if (standing === 'rebalance') return false;
    const memberId = standing === 'unknown-member' ? '' : this.#member.memberId;
    this.#member = { memberId, generation: -1 };
    this.#out((error as Error).message);
    return true;
  }

  /** Once per kind of trouble: while it lasts, it is tried again for ever. */
  #report(error: Error): void {
    const kind = error instanceof KafkaError ? (error.kafkaCode ?? error.code) : error.message;
    if (kind === this.#trouble) return;
    this.#trouble = kind;
    const { groupId } = this.#options;
    this.#deps.log.warn({ groupId, err: error }, 'group membership is in trouble, trying again');
  }

  /** Counts the session down by our own clock. */
  async #watch(): Promise<void> {
    const { clock } = this.#deps;
    const { sessionTimeoutMs } = this.#options;
    while (!this.#ended.signal.aborted) {
      const left = this.#contactAt + sessionTimeoutMs - clock.monotonic();
      if (left <= 0) this.#tellOut(`no heartbeat got through for ${sessionTimeoutMs} ms`);
      const wait = left > 0 ? left : sessionTimeoutMs;
      await clock.sleep(wait, this.#ended.signal).catch(() => undefined);
    }
  }

  #out(why: string): void {
    this.#assignment = null;
    this.#tellOut(why);
  }

  #tellOut(why: string): void {
    const { groupId } = this.#options;
    if (this.#told !== null) this.#deps.log.warn({ groupId }, `out of the group: ${why}`);
    this.#tell(null);
  }

  #tell(assignment: string | null): void {
    if (this.#ended.signal.aborted || assignment === this.#told) return;
    this.#told = assignment;
    this.#options.onAssignment(assignment);
  }

  async #pause(ms: number): Promise<void> {
    await this.#deps.clock.sleep(ms, this.#wake.signal).catch(() => undefined);
  }
}
