import type { Api } from './api.ts';
import type { Connections } from './connections.ts';
import { heartbeatApi, joinGroupApi, leaveGroupApi, syncGroupApi } from './group-apis.ts';
import type {
  GroupCoordinator,
  GroupMember,
  JoinAnswer,
  JoinRequest,
} from './group-coordinator.ts';
import type { MembershipOptions } from './kafka.ts';

/** Coordinators wait for members somewhat longer than they say: for the answer to come, ms. */
const graceMs = 5000;

/**
 * A group's coordinator over the connections. On a connection of its own: a coordinator holds the
 * answer to a join until all have joined, and everything behind it.
 */
export class BrokerCoordinator implements GroupCoordinator {
  readonly #connections: Pick<Connections, 'send'>;
  readonly #options: MembershipOptions;

  constructor(options: MembershipOptions, connections: Pick<Connections, 'send'>) {
    this.#options = options;
    this.#connections = connections;
  }

  join(request: JoinRequest): Promise<JoinAnswer> {
    return this.#send(joinGroupApi({ ...this.#options, ...request }), this.#roundMs);
  }

  sync(
    { memberId, generation }: GroupMember,
    assignments: readonly { memberId: string; assignment: Buffer }[],
  ): Promise<Buffer> {
    const { groupId } = this.#options;
    const api = syncGroupApi({ groupId, memberId, generation, assignments });
    return this.#send(api, this.#roundMs);
  }

  heartbeat({ memberId, generation }: GroupMember): Promise<void> {
    const { groupId, sessionTimeoutMs } = this.#options;
    // a broker that does not answer must leave time to find another within the session
    return this.#send(heartbeatApi({ groupId, memberId, generation }), sessionTimeoutMs / 3);
  }

  /** Not behind a join that is held. */
  leave(memberId: string): Promise<void> {
    const { groupId, sessionTimeoutMs } = this.#options;
    const api = leaveGroupApi({ groupId, memberId });
    return this.#connections.send({ group: groupId }, api, { timeoutMs: sessionTimeoutMs });
  }

  get #roundMs(): number {
    return this.#options.rebalanceTimeoutMs + graceMs;
  }

  #send<T>(api: Api<T>, timeoutMs: number): Promise<T> {
    const { groupId } = this.#options;
    return this.#connections.send({ group: groupId }, api, { timeoutMs, lane: `group ${groupId}` });
  }
}
