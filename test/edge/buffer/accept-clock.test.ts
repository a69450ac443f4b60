import { expect, test } from 'vitest';
import { AcceptClock } from '#edge/buffer/accept-clock.ts';
import type { Clock } from '#shared/std/clock.ts';

/** A clock whose two hands are set by hand. */
function clockAt(wall: number, monotonic = 0) {
  const clock = { wall, at: monotonic };
  const seam = { now: () => clock.wall, monotonic: () => clock.at } as Clock;
  return { clock, seam };
}

test('the first run begins at the wall clock', () => {
  const { seam } = clockAt(1_000_000, 500);
  expect(new AcceptClock(seam, undefined, 0).now()).toBe(1_000_000);
});

test('a step of the wall clock makes no record older', () => {
  const { clock, seam } = clockAt(1_000_000);
  const accept = new AcceptClock(seam, undefined, 0);
  clock.at += 10.7;
  clock.wall = 1_700_000_000_000;
  expect(accept.now()).toBe(1_000_010);
  clock.at += 10;
  clock.wall = 5;
  expect(accept.now()).toBe(1_000_020);
});

test('over a restart as much passes as the wall clock says, never less than nothing', () => {
  const mark = { accept: 5_000, wall: 1_000_000 };
  expect(new AcceptClock(clockAt(1_060_000).seam, mark, 0).now()).toBe(65_000);
  expect(new AcceptClock(clockAt(3).seam, mark, 0).now()).toBe(5_000);
});

test('a wall clock that was set right while we ran makes no difference at the next start', () => {
  const { clock, seam } = clockAt(1_000);
  const first = new AcceptClock(seam, undefined, 0);
  clock.at += 60_000;
  clock.wall = 1_700_000_000_000;
  const mark = first.mark();
  const second = new AcceptClock(clockAt(1_700_000_005_000).seam, mark, 0);
  expect(second.now() - mark.accept).toBe(5_000);
});

test('it never begins before the newest record', () => {
  const mark = { accept: 5_000, wall: 1_000_000 };
  expect(new AcceptClock(clockAt(1_000_001).seam, mark, 9_000).now()).toBe(9_000);
});
