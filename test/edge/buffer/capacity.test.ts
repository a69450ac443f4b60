import { describe, expect, test } from 'vitest';
import { admit, chooseVictim, type Occupant } from '#edge/buffer/capacity.ts';

const occupant = (topic: string, oldest: number | null, more: Partial<Occupant> = {}) => ({
  ...{ topic, oldest, storedBytes: 100, inFlight: false },
  ...more,
});
const rules = (caps: { [topic: string]: number } = {}, blocking: string[] = []) => ({
  drops: (topic: string) => !blocking.includes(topic),
  capOf: (topic: string) => caps[topic] ?? Number.POSITIVE_INFINITY,
});

describe('who gives way', () => {
  test('the oldest', () => {
    const all = [occupant('a', 30), occupant('b', 10), occupant('c', 20), occupant('d', null)];
    expect(chooseVictim(all, rules())?.topic).toBe('b');
  });

  test('a topic over its own cap before all others', () => {
    const all = [occupant('a', 10), occupant('b', 30), occupant('b', 20)];
    expect(chooseVictim(all, rules({ b: 150 }))).toMatchObject({ topic: 'b', oldest: 20 });
    expect(chooseVictim(all, rules({ b: 200 }))?.topic).toBe('a');
  });

  test('what may be under way only when there is nothing else', () => {
    const flying = occupant('a', 10, { inFlight: true });
    expect(chooseVictim([flying, occupant('b', 20)], rules())?.topic).toBe('b');
    expect(chooseVictim([flying], rules())?.topic).toBe('a');
  });

  test('never a topic that blocks, nor another than the one asked for', () => {
    const all = [occupant('a', 10), occupant('b', 20), occupant('c', 30)];
    expect(chooseVictim(all, rules({}, ['a']))?.topic).toBe('b');
    expect(chooseVictim(all, rules(), 'c')?.topic).toBe('c');
    expect(chooseVictim([all[0]!], rules({}, ['a']))).toBeUndefined();
  });
});

describe('who is let in', () => {
  const view = (used: number, held: { [topic: string]: number }, more = rules()) => ({
    ...{ used, budget: 1000, topicBytes: new Map(Object.entries(held)) },
    ...more,
  });

  test('who fits, or fits when older records are dropped', () => {
    expect(admit({ topic: 'a', bytes: 100 }, view(900, {}))).toBe('fits');
    expect(admit({ topic: 'a', bytes: 101 }, view(900, {}))).toBe('wait');
    expect(admit({ topic: 'a', bytes: 101 }, view(900, { b: 50 }))).toBe('fits');
  });

  test('nobody at the cost of a topic that blocks', () => {
    const blocking = rules({}, ['b']);
    expect(admit({ topic: 'a', bytes: 200 }, view(900, { b: 800 }, blocking))).toBe('wait');
    expect(admit({ topic: 'a', bytes: 200 }, view(900, { b: 700, a: 100 }, blocking))).toBe('fits');
  });

  test('a topic that blocks waits at its own cap, and what is more than the cap never fits', () => {
    const capped = rules({ a: 300 }, ['a']);
    expect(admit({ topic: 'a', bytes: 200 }, view(0, { a: 100 }, capped))).toBe('fits');
    expect(admit({ topic: 'a', bytes: 201 }, view(0, { a: 100 }, capped))).toBe('wait');
    expect(admit({ topic: 'a', bytes: 301 }, view(0, {}, capped))).toBe('never');
    expect(admit({ topic: 'x', bytes: 1001 }, view(0, {}))).toBe('never');
  });
});
