import { describe, expect, test } from 'vitest';
import {
  backlogOf,
  type EdgeFacts,
  isOpen,
  lagOf,
  type StreamFacts,
  stateOf,
} from '#central/fleet/lag.ts';

/** A heartbeat came at 100 000; the interval is 5 s. */
const at = 100_000;
const heartbeat = (oldestAt: number | null = null) => ({ at, intervalMs: 5_000, oldestAt });

const stream = (over: Partial<StreamFacts> = {}): StreamFacts => ({
  ...{ epoch: 'e', topic: 't', partition: 0 },
  ...{ through: 9, landedRecords: 10, lostRecords: 0, head: 9 },
  ...{ told: null, landedAcceptedAt: null },
  ...over,
});

const told = (over: object = {}) => ({
  ...{ cursor: 9, backlogRecords: 10, backlogBytes: 1_000, oldestAt: 70_000, acceptedRecords: 20 },
  ...over,
});

const facts = (streams: StreamFacts[], over: Partial<EdgeFacts> = {}): EdgeFacts => ({
  heartbeat: heartbeat(70_000),
  fresh: true,
  open: streams.filter(isOpen),
  rest: { records: 0, bytes: 0 },
  ...over,
});

describe('lag of a site that reports', () => {
  test('is zero when the edge said so, and it was committed', () => {
    expect(lagOf(facts([stream()], { heartbeat: heartbeat() }), at + 1_000)).toEqual({
      ...{ records: 0, bytes: 0, ms: 0, atLeast: false, backlogMs: null },
    });
  });

  test('is the time since the oldest record that has not landed was accepted', () => {
    const behind = stream({ head: 19, told: told() });
    expect(lagOf(facts([behind]), at)).toMatchObject({ records: 10, bytes: 1_000, ms: 30_000 });
    expect(lagOf(facts([behind]), at + 4_000)).toMatchObject({ ms: 34_000, atLeast: false });
  });

  test('is that of the stream that is furthest behind', () => {
    const streams = [
      stream({ head: 19, told: told() }),
      stream({ partition: 1, head: 19, told: told({ oldestAt: 40_000 }) }),
      stream({ partition: 2 }),
    ];
    expect(lagOf(facts(streams), at)).toMatchObject({ records: 20, ms: 60_000 });
  });

  test('shrinks between heartbeats with what lands', () => {
    const half = stream({ through: 14, head: 19, told: told(), landedAcceptedAt: 85_000 });
    expect(lagOf(facts([half]), at)).toMatchObject({ records: 5, bytes: 500, ms: 15_000 });
    const all = stream({ through: 19, head: 19, told: told(), landedAcceptedAt: 99_000 });
    expect(lagOf(facts([all]), at)).toMatchObject({ records: 0, ms: 0, atLeast: false });
  });

  test('is never younger than what the edge told, whatever landed says', () => {
    const older = stream({ through: 12, head: 19, told: told(), landedAcceptedAt: 60_000 });
    expect(lagOf(facts([older]), at)).toMatchObject({ ms: 30_000 });
  });

  test('counts losses that wait among the sequences, never as records', () => {
    const losses = stream({ head: 29, told: told({ backlogRecords: 10 }) });
    expect(backlogOf(losses)).toEqual({ records: 10, bytes: 1_000 });
  });

  test('includes a backlog that no stream was named for', () => {
    const rest = { records: 50, bytes: 5_000 };
    expect(lagOf(facts([], { rest }), at)).toMatchObject({ records: 50, bytes: 5_000, ms: 30_000 });
  });

  test('is not negative when clocks disagree', () => {
    const odd = stream({ head: 19, told: told({ oldestAt: at + 5_000 }) });
    expect(lagOf(facts([odd]), at)).toMatchObject({ ms: 0 });
  });
});

describe('lag of a site that is silent', () => {
  test('grows from the last heartbeat on, when nothing was behind', () => {
    const quiet = facts([stream()], { heartbeat: heartbeat() });
    expect(lagOf(quiet, at + 7_500)).toMatchObject({ ms: 0, atLeast: false });
    expect(lagOf(quiet, at + 7_501)).toMatchObject({ ms: 7_501, atLeast: true });
    expect(lagOf(quiet, at + 60_000)).toMatchObject({ ms: 60_000, atLeast: true });
  });

  test('grows from the oldest record that has not landed', () => {
    const behind = facts([stream({ head: 19, told: told() })]);
    expect(lagOf(behind, at + 60_000)).toMatchObject({ records: 10, ms: 90_000, atLeast: true });
  });

  test('is at least what it was when central, or the edge, was started again', () => {
    const restarted = facts([stream()], { heartbeat: heartbeat(), fresh: false });
    expect(lagOf(restarted, at + 100)).toMatchObject({ ms: 100, atLeast: true });
  });

  test('of a site with a new session counts its new heads from the last heartbeat', () => {
    const returned = facts([stream({ head: 500 })], { heartbeat: heartbeat(), fresh: false });
    expect(lagOf(returned, at + 3_600_000)).toMatchObject({
      ...{ records: 491, ms: 3_600_000, atLeast: true },
    });
  });

  test('that never reported is not known, and never zero', () => {
    expect(lagOf(facts([], { heartbeat: null, fresh: false }), at)).toEqual({
      ...{ records: null, bytes: null, ms: null, atLeast: true, backlogMs: null },
    });
  });
});

describe('the state of a site', () => {
  const rules = { offlineAfterMs: 15_000, stalledAfterMs: 30_000 };
  const doing = (over: object = {}) => ({
    ...{ seen: true, heardAt: at, heartbeatIntervalMs: 5_000, movedAt: at },
    lag: { records: 0, bytes: 0, ms: 0, atLeast: false, backlogMs: null },
    ...over,
  });
  const behind = (backlogMs: number) => ({
    records: 10,
    bytes: 1_000,
    ms: backlogMs,
    atLeast: false,
    backlogMs,
  });

  test.each([
    ['never-seen', doing({ seen: false, heardAt: null }), at],
    ['offline', doing({ heardAt: null }), at],
    ['live', doing(), at + 15_000],
    ['offline', doing(), at + 15_001],
    ['live', doing({ lag: behind(10_000) }), at],
    ['catching-up', doing({ lag: behind(10_001) }), at],
    ['catching-up', doing({ lag: behind(3_600_000), movedAt: at - 29_999 }), at],
    ['stalled', doing({ lag: behind(3_600_000), movedAt: at - 30_000 }), at],
    ['stalled', doing({ lag: behind(5_000), movedAt: at - 30_000 }), at],
    ['live', doing({ movedAt: at - 3_600_000 }), at],
    ['offline', doing({ lag: behind(60_000), movedAt: 0 }), at + 15_001],
  ] as const)('%s', (state, what, now) => {
    expect(stateOf(what, rules, now)).toBe(state);
  });
});
