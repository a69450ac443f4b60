import { describe, expect, test } from 'vitest';
import { KafkaError } from '#shared/kafka/kafka.ts';
import { writeMemberMetadata } from '#shared/kafka/member-metadata.ts';
import { groupError, memberWorld, timing } from './fake-coordinator.ts';

const { sessionTimeoutMs, heartbeatIntervalMs } = timing;

describe('a member that joins', () => {
  test('takes the id that the coordinator gives it, and its assignment', async () => {
    const { group, told, pass } = memberWorld();
    await pass(0);
    expect(told).toEqual(['me leads']);
    expect(group.calls.map(({ call, memberId }) => `${call} ${memberId}`)).toEqual([
      'join ',
      'join member-1',
      'sync member-1',
    ]);
  });

  test('assigns for all as the leader; who is forgotten gets an empty one', async () => {
    const others = [
      { memberId: 'b', metadata: writeMemberMetadata({ joins: 3, metadata: 'of b' }) },
      { memberId: 'c', metadata: writeMemberMetadata({ joins: 0, metadata: 'of c' }) },
    ];
    const assign = (members: readonly { memberId: string; metadata: string }[]) => {
      expect(members.map(({ metadata }) => metadata)).toEqual(['me', 'of b', 'of c']);
      return new Map([['b', 'everything']]);
    };
    const { group, told, pass } = memberWorld({ assign }, (it) => {
      it.others = others;
    });
    await pass(0);
    const synced = group.synced.map(({ memberId, assignment }) => [memberId, String(assignment)]);
    expect(synced).toEqual([
      ['member-1', ''],
      ['b', 'everything'],
      ['c', ''],
    ]);
    expect(told).toEqual(['']);
  });

  test('assigns nothing as a follower', async () => {
    const { group, told, pass } = memberWorld({}, (it) => {
      it.leaderId = 'another';
    });
    await pass(0);
    expect(group.synced).toEqual([]);
    expect(told).toEqual(['shard 1']);
  });

  test('tries until the coordinator is there, without a busy loop', async () => {
    const { group, told, pass } = memberWorld({}, (it) => {
      it.down = true;
    });
    await pass(60_000);
    expect(told).toEqual([]);
    expect(group.count('join')).toBeLessThan(100);
    group.down = false;
    await pass(1000);
    expect(told).toEqual(['me leads']);
  });

  test('survives an `assign` that throws, and does not spin', async () => {
    let broken = true;
    const assign = () => {
      if (broken) throw new Error('no idea');
      return new Map([['member-1', 'fine']]);
    };
    const { group, told, pass } = memberWorld({ assign });
    await pass(10_000);
    expect(told).toEqual([]);
    expect(group.count('join')).toBeLessThan(30);
    broken = false;
    await pass(1000);
    expect(told).toEqual(['fine']);
  });
});

describe('a member that is in', () => {
  test('tells the group so at every interval', async () => {
    const { group, told, pass } = memberWorld();
    await pass(20_000);
    const beats = group.calls.filter(({ call }) => call === 'heartbeat');
    expect(beats.map(({ at }) => at)).toEqual(
      Array.from({ length: 40 }, (_, i) => (i + 1) * heartbeatIntervalMs),
    );
    expect(told).toEqual(['me leads']);
  });

  test('joins at once in a rebalance with the same id, keeping what it has meanwhile', async () => {
    const { group, told, pass } = memberWorld({}, (it) => {
      it.leaderId = 'another';
    });
    await pass(0);
    group.errors.heartbeat.push(groupError('REBALANCE_IN_PROGRESS'));
    let release = () => {};
    group.hold = new Promise((resolve) => {
      release = resolve;
    });
    await pass(3000);
    expect(group.calls.at(-1)).toMatchObject({ call: 'join', memberId: 'member-1', at: 500 });
    expect(told).toEqual(['shard 1']);
    group.assignment = 'shard 2';
    release();
    await pass(0);
    expect(told).toEqual(['shard 1', 'shard 2']);
  });

  test('is not told again what it has', async () => {
    const { group, told, pass } = memberWorld();
    await pass(0);
    group.errors.heartbeat.push(groupError('REBALANCE_IN_PROGRESS'));
    await pass(5000);
    expect(group.generation).toBe(2);
    expect(told).toEqual(['me leads']);
  });

  for (const [code, memberId] of [
    ['ILLEGAL_GENERATION', 'member-1'],
    ['UNKNOWN_MEMBER_ID', 'member-2'],
    ['FENCED_INSTANCE_ID', 'member-2'],
  ] as const) {
    test(`lets go at ${code}, and joins again as ${memberId}`, async () => {
      const { group, told, pass } = memberWorld();
      await pass(0);
      group.errors.heartbeat.push(groupError(code));
      await pass(2000);
      expect(told).toEqual(['me leads', null, 'me leads']);
      expect(group.calls.at(-1)).toMatchObject({ call: 'heartbeat', memberId });
    });
  }

  test('lets go where the group formed anew and its assignment does not come', async () => {
    const { group, told, pass } = memberWorld();
    await pass(0);
    group.errors.heartbeat.push(groupError('REBALANCE_IN_PROGRESS'));
    group.errors.sync.push(groupError('REBALANCE_IN_PROGRESS'));
    await pass(5000);
    expect(told).toEqual(['me leads', null, 'me leads']);
  });

  test('keeps what it has while the coordinator moves within the session', async () => {
    const { group, told, pass } = memberWorld();
    await pass(0);
    const moved = ['NOT_COORDINATOR', 'COORDINATOR_LOAD_IN_PROGRESS', 'COORDINATOR_NOT_AVAILABLE'];
    for (const kafkaCode of moved) {
      group.errors.heartbeat.push(new KafkaError('unavailable', kafkaCode, { kafkaCode }));
    }
    await pass(10_000);
    expect(told).toEqual(['me leads']);
    expect(group.count('join')).toBe(2);
  });

  test('is out by its own clock when no heartbeat got through for a session', async () => {
    const { group, told, pass } = memberWorld();
    await pass(2000);
    group.down = true;
    await pass(sessionTimeoutMs - 1);
    expect(told).toEqual(['me leads']);
    await pass(1);
    expect(told).toEqual(['me leads', null]);
  });

  test('is out by its own clock too when a heartbeat is never answered', async () => {
    const { group, told, pass } = memberWorld();
    await pass(2000);
    group.heartbeat = () => new Promise(() => {});
    await pass(sessionTimeoutMs);
    expect(told).toEqual(['me leads', null]);
  });

  test('goes on where the group did not miss it meanwhile', async () => {
    const { group, told, pass } = memberWorld();
    await pass(2000);
    group.down = true;
    await pass(20_000);
    group.down = false;
    await pass(1000);
    expect(told).toEqual(['me leads', null, 'me leads']);
    expect(group.count('join')).toBe(2);
  });

  test('is out by its own clock while a rebalance hangs', async () => {
    const { group, told, pass } = memberWorld();
    await pass(0);
    group.errors.heartbeat.push(groupError('REBALANCE_IN_PROGRESS'));
    group.hold = new Promise(() => {});
    await pass(sessionTimeoutMs + heartbeatIntervalMs);
    expect(told).toEqual(['me leads', null]);
  });
});

describe('rejoin', () => {
  test('joins at once, with the new metadata, in other bytes than before', async () => {
    const { group, member, told, pass } = memberWorld();
    const sent: Buffer[] = [];
    const join = group.join.bind(group);
    group.join = (request) => {
      sent.push(request.metadata);
      return join(request);
    };
    await pass(100);
    member.rejoin('me too');
    await pass(0);
    member.rejoin();
    await pass(0);
    expect(group.joins).toEqual(['me', 'me too', 'me too']);
    expect(told).toEqual(['me leads', 'me too leads']);
    expect(sent.at(-1)).not.toEqual(sent.at(-2));
    await pass(1000);
    expect(group.count('heartbeat')).toBe(2);
  });

  test('asked for during a join, it follows that join', async () => {
    const { group, member, pass } = memberWorld();
    let release = () => {};
    group.hold = new Promise((resolve) => {
      release = resolve;
    });
    await pass(0);
    member.rejoin('later');
    release();
    await pass(0);
    expect(group.joins).toEqual(['me', 'later']);
  });
});

describe('leave', () => {
  test('tells the group, once, and nothing is told to us after it', async () => {
    const { group, member, told, pass } = memberWorld();
    await pass(1200);
    await Promise.all([member.leave(), member.leave()]);
    const calls = group.calls.length;
    await pass(30_000);
    expect(group.calls.slice(calls)).toEqual([]);
    expect(group.calls.at(-1)).toMatchObject({ call: 'leave', memberId: 'member-1' });
    expect(group.count('leave')).toBe(1);
    expect(told).toEqual(['me leads']);
  });

  test('in the middle of a join, it leaves as the member that it is by then', async () => {
    const { group, member, told, pass } = memberWorld();
    let release = () => {};
    group.hold = new Promise((resolve) => {
      release = resolve;
    });
    await pass(0);
    await member.leave();
    release();
    await pass(20_000);
    expect(group.calls.map(({ call }) => call)).toEqual(['join', 'join', 'leave']);
    expect(told).toEqual([]);
  });

  test('resolves where the group cannot be told', async () => {
    const { group, member, pass } = memberWorld();
    await pass(0);
    group.down = true;
    await member.leave();
    await pass(20_000);
    expect(group.calls.at(-1)).toMatchObject({ call: 'leave' });
  });
});

test('a closed connection ends it: it is out, and asks for nothing more', async () => {
  const { group, told, pass } = memberWorld();
  await pass(0);
  group.errors.heartbeat.push(new KafkaError('closed', 'closed'));
  await pass(30_000);
  expect(told).toEqual(['me leads', null]);
  expect(group.calls.at(-1)).toMatchObject({ call: 'heartbeat' });
});
