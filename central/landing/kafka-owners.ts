import { randomBytes } from 'node:crypto';
import type { Kafka, Membership } from '#shared/kafka/kafka.ts';
import type { Logger } from '#shared/std/log.ts';
import { ownersGroup } from './kafka-names.ts';
import {
  type Assignment,
  assignShards,
  type CollectorFacts,
  type Member,
} from './shard-assignment.ts';

/** Who owns which shard: nominated here, held by the shard's transactional id. */
export interface Owners {
  /** null: nobody, or not known (yet). */
  ownerOf(shard: number): { mine: boolean; linkUrl: string | null } | null;
  /** Another producer took a shard of ours: ask who is to have it. */
  contested(): void;
  leave(): Promise<void>;
}

export interface OwnersOptions {
  kafka: Kafka;
  log: Logger;
  shards: number;
  facts: CollectorFacts;
  /** The flows that are in force, by the registry. */
  currentFlows: () => string | null;
  /** All shards that are ours now, each time that the group has formed anew. */
  onShards: (mine: readonly number[], flows: string) => void;
}

/** A collector on its own: everything is its, without asking. For tests and single collectors. */
export function soleOwner({ shards, facts, onShards }: OwnersOptions): Owners {
  onShards([...Array(shards).keys()], facts.flows);
  return {
    ownerOf: () => ({ mine: true, linkUrl: facts.linkUrl }),
    contested: () => onShards([...Array(shards).keys()], facts.flows),
    async leave() {},
  };
}

interface Told {
  memberId: string;
  /** New each time: who keeps what it has is told, too, and takes back what it was fenced from. */
  round: string;
  assignment: Assignment;
}

/**
 * By Kafka's own group membership. A member that is out of the group keeps its shards until
 * somebody takes them: the transactional id decides, the group only nominates.
 */
export function groupOwners(options: OwnersOptions): Owners {
  const { kafka, log, shards, facts } = options;
  let told: Told | null = null;
  const isMine = (shard: number) =>
    told !== null && told.assignment.owners[shard]?.memberId === told.memberId;
  const membership: Membership = kafka.join({
    groupId: ownersGroup,
    metadata: JSON.stringify(facts),
    sessionTimeoutMs: 6_000,
    // Who leaves is missed no longer than that.
    heartbeatIntervalMs: 500,
    rebalanceTimeoutMs: 5_000,
    assign: (members) => {
      const all = members.map(({ memberId, metadata }): Member => {
        return { memberId, ...(JSON.parse(metadata) as CollectorFacts) };
      });
      const assignment = assignShards(all, shards, options.currentFlows());
      const round = randomBytes(8).toString('hex');
      return new Map(
        all.map(({ memberId }) => {
          return [memberId, JSON.stringify({ memberId, round, assignment } satisfies Told)];
        }),
      );
    },
    onAssignment: (text) => {
      if (text === null) {
        log.warn('this collector is out of the group of collectors; it joins again');
        return;
      }
      told = JSON.parse(text) as Told;
      const { flows } = told.assignment;
      if (flows !== facts.flows) {
        log.warn('its flows differ from those of the other collectors: it owns no sites');
      }
      options.onShards([...Array(shards).keys()].filter(isMine), flows);
    },
  });
  return {
    ownerOf: (shard) => {
      const owner = told?.assignment.owners[shard];
      return owner ? { mine: isMine(shard), linkUrl: owner.linkUrl } : null;
    },
    contested: () => membership.rejoin(),
    leave: () => membership.leave(),
  };
}
