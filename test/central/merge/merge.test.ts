import { describe, expect, test } from 'vitest';
import { flowProblem, openMerge } from '#central/merge/merge.ts';

describe('what feeds a merged topic', () => {
  const merge = openMerge([
    { into: 'sensor-data', from: ['*.sensor-data'] },
    { into: 'everything', from: ['factory-*.*'] },
    { into: 'all.raw', from: ['a*z.x*y', 'store-1.raw'] },
  ]);

  test.each([
    ['factory-a.sensor-data', ['sensor-data', 'everything']],
    ['store-1.sensor-data', ['sensor-data']],
    ['factory-a.deep.topic.name', ['everything']],
    ['store-1.raw', ['all.raw']],
    ['store-1xraw', []],
    ['abcz.x.1.y', ['all.raw']],
    ['az.xy', ['all.raw']],
    ['az.xyz', []],
    ['other.temperature', []],
    ['sensor-data', []],
  ])('%s → %j', (remote, targets) => {
    expect(merge.targets(remote)).toEqual(targets);
    expect(merge.targets(remote)).toEqual(targets);
  });

  test('a star in the alias never reaches over the dot', () => {
    const narrow = openMerge([{ into: 'm', from: ['f*.data'] }]);
    expect(narrow.targets('factory.data')).toEqual(['m']);
    expect(narrow.targets('factory.more.data')).toEqual([]);
  });

  test.each([
    'tributary.losses',
    'factory-a.heartbeats',
    'factory-a.checkpoints.internal',
    'mm2-offset-syncs.factory-a.internal',
  ])('%s is internal and feeds no flow', (name) => {
    expect(openMerge([{ into: 'm', from: ['*.*'] }]).targets(name)).toEqual([]);
  });

  test('a merged topic never feeds a flow', () => {
    const merged = openMerge([
      { into: 'all.raw', from: ['*.raw'] },
      { into: 'everything', from: ['*.*'] },
    ]);
    expect(merged.targets('all.raw')).toEqual([]);
  });

  test('what a site would feed is known before it does', () => {
    expect(merge.expectedOf('factory-9')).toEqual([
      { into: 'sensor-data', topic: 'sensor-data' },
      { into: 'everything', topic: '*' },
    ]);
    expect(merge.expectedOf('store-1')).toContainEqual({ into: 'all.raw', topic: 'raw' });
  });

  test('a flow that is named like an alias’ remote topic stands in the way of that alias', () => {
    expect(merge.flowInTheWayOf('all')?.into).toBe('all.raw');
    expect(merge.flowInTheWayOf('factory-a')).toBeUndefined();
  });
});

describe('flows that cannot be', () => {
  test.each([
    [{ into: '', from: ['*.x'] }, /into = "" must be a topic name/],
    [{ into: 'a b', from: ['*.x'] }, /into = "a b" may hold letters/],
    [{ into: 'tributary.x', from: ['*.x'] }, /use ourselves/],
    [{ into: 'm', from: [] }, /names nothing/],
    [{ into: 'm', from: ['sensor-data'] }, /must be an alias, a dot and a topic/],
    [{ into: 'm', from: ['*.x y'] }, /topic that may hold/],
    [{ into: 'm', from: ['-a.x'] }, /alias that may hold/],
    [{ into: 'm', from: ['tributary.x'] }, /alias that is reserved/],
  ])('%j', (flow, message) => {
    expect(flowProblem(flow)).toMatch(message);
    expect(() => openMerge([flow])).toThrow(message);
  });

  test('two flows into one topic are refused', () => {
    const flow = { into: 'm', from: ['*.x'] };
    expect(() => openMerge([flow, flow])).toThrow(/same "into"/);
  });
});

describe("where sites' topics keep their names", () => {
  const merge = openMerge([{ into: 'all', from: ['*.*'] }], 'identity');

  test('those of all sites are one, and flows go by who sent them', () => {
    expect(merge.landedTopic('factory-a', 'data')).toBe('data');
    expect(merge.landedTopic('factory-b', 'data')).toBe('data');
    expect(merge.targets('factory-a.data')).toEqual(['all']);
    expect(merge.nameProblem('factory-a', 'data')).toBeUndefined();
  });

  test('one with the name of a flow has no place, and feeds nothing', () => {
    expect(merge.nameProblem('factory-a', 'all')).toContain('give the flow another "into"');
    expect(merge.targets('factory-a.all')).toEqual([]);
  });

  test.each(['__consumer_offsets', 'tributary.checkpoints', 'mm2-offset-syncs.b.internal2'])(
    "%s is no site's to write",
    (name) => expect(merge.nameProblem('factory-a', name)).toContain('no site'),
  );

  test('with a prefix every name has a place', () => {
    const prefixed = openMerge([{ into: 'all', from: ['*.*'] }]);
    expect(prefixed.landedTopic('factory-a', 'all')).toBe('factory-a.all');
    for (const name of ['all', '__consumer_offsets', 'tributary.checkpoints']) {
      expect(prefixed.nameProblem('factory-a', name)).toBeUndefined();
    }
  });
});
