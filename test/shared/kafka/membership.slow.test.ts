import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { BrokerCoordinator } from '#shared/kafka/broker-coordinator.ts';
import { Connections } from '#shared/kafka/connections.ts';
import { GroupMembership } from '#shared/kafka/membership.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { startKafka, type TestKafka } from '../../kafka/kafka.ts';
import { kafkaMissing } from '../../kafka/missing.ts';

const shards = ['a', 'b', 'c', 'd', 'e', 'f'];
const sessionTimeoutMs = 6000;

interface Member {
  name: string;
  membership: GroupMembership;
  connections: Connections;
  /** What it owns now, as the group told it; null: out. */
  owns: string | null;
  told: (string | null)[];
}

const within = (ms: number, expectations: () => void): Promise<void> =>
  vi.waitFor(expectations, { timeout: ms, interval: 20 });

describe.skipIf(kafkaMissing).each(['4.x', '3.x'] as const)('members at Kafka %s', (version) => {
  let kafka: TestKafka;
  let groups = 0;
  let groupId = '';
  const members = new Set<Member>();

  beforeAll(async () => {
    kafka = await startKafka({
      version,
      properties: { 'group.initial.rebalance.delay.ms': '300' },
    });
  });
  afterEach(async () => {
    await Promise.all([...members].map(({ connections }) => connections.close()));
    members.clear();
    groups += 1;
  });
  afterAll(() => kafka?.close());

  function join(name: string): Member {
    groupId = `shards-${groups}`;
    const connections = new Connections(
      { brokers: kafka.bootstrap.split(','), clientId: name, requestTimeoutMs: 2000 },
      { clock: systemClock, random: Math.random },
    );
    const options = {
      groupId,
      metadata: name,
      sessionTimeoutMs,
      heartbeatIntervalMs: 200,
      rebalanceTimeoutMs: 6000,
      assign: share,
      onAssignment: (assignment: string | null) => {
        member.owns = assignment;
        member.told.push(assignment);
      },
    };
    const coordinator = new BrokerCoordinator(options, connections);
    const deps = { coordinator, clock: systemClock, random: Math.random, log: silentLog };
    const member: Member = {
      name,
      connections,
      owns: null,
      told: [],
      membership: new GroupMembership(options, deps),
    };
    members.add(member);
    return member;
  }

  /** Evenly, by the members' names; who says `none` gets nothing. */
  function share(all: readonly { memberId: string; metadata: string }[]): Map<string, string> {
    const takers = all
      .filter(({ metadata }) => metadata !== 'none')
      .toSorted((a, b) => a.metadata.localeCompare(b.metadata));
    const shares = new Map(all.map(({ memberId }) => [memberId, '']));
    for (const [i, shard] of shards.entries()) {
      const { memberId } = takers[i % takers.length]!;
      shares.set(memberId, shares.get(memberId) + shard);
    }
    return shares;
  }

  /** All of `owners` share the shards, none is without an owner or has two. */
  const expectShared = (owners: readonly Member[], how: readonly string[]) => {
    expect(owners.map(({ owns }) => owns)).toEqual(how);
    expect(owners.flatMap(({ owns }) => [...(owns ?? '')]).toSorted()).toEqual(shards);
  };

  test('three share, one leaves, one is killed: what they had moves on', async () => {
    const [one, two, three] = [join('1'), join('2'), join('3')] as const;
    await within(15_000, () => expectShared([one, two, three], ['ad', 'be', 'cf']));
    await three.membership.leave();
    await within(5000, () => expectShared([one, two], ['ace', 'bdf']));
    // Before all three were in, two may have shared.
    expect(three.told.at(-1)).toBe('cf');
    expect(three.told).not.toContain(null);
    const killedAt = performance.now();
    await one.connections.close();
    await within(1000, () => expect(one.owns).toBe(null));
    await within(sessionTimeoutMs + 6000, () => expectShared([two], ['abcdef']));
    expect(performance.now() - killedAt).toBeGreaterThan(sessionTimeoutMs - 1000);
    expect(two.told).not.toContain(null);
  });

  test('a follower that asks gets the group to assign anew, unchanged or changed', async () => {
    const [one, two] = [join('1'), join('2')] as const;
    await within(15_000, () => expectShared([one, two], ['ace', 'bdf']));
    one.membership.rejoin('none');
    await within(5000, () => expectShared([two], ['abcdef']));
    expect(one.owns).toBe('');
    two.membership.rejoin('none');
    one.membership.rejoin('1');
    await within(5000, () => expectShared([one], ['abcdef']));
    expect([...one.told, ...two.told]).not.toContain(null);
  });

  test('a restart of the broker leaves all as it was', async () => {
    const [one, two] = [join('1'), join('2')] as const;
    await within(15_000, () => expectShared([one, two], ['ace', 'bdf']));
    await kafka.broker(1).kill();
    await kafka.broker(1).start();
    await within(30_000, () => {
      expectShared([one, two], ['ace', 'bdf']);
      expect(one.connections.view.brokers.size).toBe(1);
    });
    one.membership.rejoin('none');
    await within(30_000, () => expectShared([two], ['abcdef']));
  });

  test('while no broker answers, members are out after their session; then in again', async () => {
    const [one, two] = [join('1'), join('2')] as const;
    await within(15_000, () => expectShared([one, two], ['ace', 'bdf']));
    kafka.broker(1).pause();
    const pausedAt = performance.now();
    try {
      await within(sessionTimeoutMs + 1500, () => {
        expect([one.owns, two.owns]).toEqual([null, null]);
      });
      expect(performance.now() - pausedAt).toBeGreaterThan(sessionTimeoutMs - 1000);
    } finally {
      kafka.broker(1).resume();
    }
    await within(30_000, () => expectShared([one, two], ['ace', 'bdf']));
  });
});
