import { expect, test } from 'vitest';
import { type FetchOptions, KafkaError } from '#shared/kafka/kafka.ts';
import { quietly } from '../../contract/eventually.ts';
import { FakeLeaders, type FakePartition } from './fake-leaders.ts';
import { logBatch, marker } from './log-batches.ts';

const options: FetchOptions = { maxWaitMs: 100, isolation: 'committed' };
const at = (topic: string, partition: number, offset = 0) => ({ topic, partition, offset });
const values = (texts: readonly string[], baseOffset = 0) =>
  logBatch({ baseOffset, records: texts });

function world(...partitions: [string, number, FakePartition][]) {
  const leaders = new FakeLeaders();
  for (const [topic, partition, what] of partitions) {
    leaders.partitions.set(`${topic} ${partition}`, what);
  }
  return leaders;
}

for (const version of [11, 12, 13]) {
  test(`one request to each leader, one answer for each position in order (v${version})`, async () => {
    const leaders = world(
      ['a', 0, { leader: 1, records: values(['a0']) }],
      ['a', 1, { leader: 2, records: values(['a1', 'a1'], 5) }],
      ['b', 0, { leader: 1 }],
    );
    leaders.version = version;
    const [a, b] = ['a', 'b'].map((letter) => letter.repeat(32)) as [string, string];
    leaders.ids.set('a', a);
    leaders.ids.set('b', b);
    const positions = [
      { ...at('a', 1, 5), topicId: a },
      { ...at('b', 0, 7), topicId: b, maxBytes: 99 },
      { ...at('a', 0), topicId: a },
    ];
    const answers = await leaders.reads.fetch(positions, options);
    expect(
      answers.map(({ topic, partition, nextOffset, error }) => [
        topic,
        partition,
        nextOffset,
        error,
      ]),
    ).toEqual([
      ['a', 1, 7, null],
      ['b', 0, 7, null],
      ['a', 0, 1, null],
    ]);
    expect(answers[0]).toMatchObject({
      highWatermark: 100,
      lastStableOffset: 90,
      logStartOffset: 10,
    });
    expect(leaders.asked.map(({ node }) => node).toSorted()).toEqual([1, 2]);
    expect(leaders.asked.every((one) => one.version === version)).toBe(true);
    const first = leaders.asked.find(({ node }) => node === 1)!;
    expect(first).toMatchObject({ maxWaitMs: 100, isolation: 1 });
    expect(first.partitions.map(({ offset, maxBytes }) => [offset, maxBytes])).toEqual([
      [7, 99],
      [0, 1024 * 1024],
    ]);
  });
}

test('aborted transactions of the answer are left out, and passed', async () => {
  const records = Buffer.concat([
    logBatch({ baseOffset: 0, records: ['gone'], producerId: 3n }),
    marker(1, 3n, 'abort'),
  ]);
  const leaders = world(['a', 0, { records, aborted: [{ producerId: 3n, firstOffset: 0 }] }]);
  const [answer] = await leaders.reads.fetch([at('a', 0)], options);
  expect(answer).toMatchObject({ error: null, batches: [], nextOffset: 2 });
});

test('a partition that fails does so alone', async () => {
  const leaders = world(
    ['a', 0, { error: 1 }],
    ['a', 1, { error: 29 }],
    ['a', 2, { records: values(['fine']) }],
  );
  const positions = [at('a', 0, 500), at('a', 1), at('a', 2), at('nowhere', 0)];
  const answers = await leaders.reads.fetch(positions, options);
  expect(answers.map(({ error }) => error?.code ?? null)).toEqual([
    'out-of-range',
    'denied',
    null,
    'missing',
  ]);
  expect(answers[0]).toMatchObject({ nextOffset: 500, error: { topic: 'a', partition: 0 } });
  expect(answers[0]!.error!.message).toContain('offset 500');
  expect(answers[2]!.batches).toHaveLength(1);
});

test('where the leader moved it is unavailable once, and the next round asks the new one', async () => {
  for (const error of [6, 3, 74]) {
    const leaders = world(['a', 0, { error }]);
    const [first] = await leaders.reads.fetch([at('a', 0)], options);
    expect(first!.error).toMatchObject({ code: 'unavailable', topic: 'a', partition: 0 });
    leaders.partitions.set('a 0', { leader: 2, records: values(['moved']) });
    const [second] = await leaders.reads.fetch([at('a', 0)], options);
    expect(second!.error).toBe(null);
    expect(leaders.asked.map(({ node }) => node)).toEqual([1, 2]);
    expect(leaders.metadataAsked).toBe(2);
  }
});

test('a broker that is gone fails its own partitions only, which are looked up anew', async () => {
  const leaders = world(
    ['a', 0, { leader: 1, records: values(['fine']) }],
    ['a', 1, { leader: 2, records: values(['fine']) }],
  );
  leaders.broken.set(2, new KafkaError('unavailable', 'gone'));
  const positions = [at('a', 0), at('a', 1)];
  const answers = await leaders.reads.fetch(positions, options);
  expect(answers.map(({ error }) => error?.message ?? null)).toEqual([null, 'gone']);
  expect(answers[1]!.error).toMatchObject({ topic: 'a', partition: 1 });
  leaders.partitions.get('a 1')!.leader = 1;
  const again = await leaders.reads.fetch(positions, options);
  expect(again.map(({ error }) => error)).toEqual([null, null]);
});

test('a round during another takes a connection of its own, and gives it back', async () => {
  const leaders = world(['a', 0, {}], ['a', 1, {}]);
  let open = () => {};
  leaders.gate = new Promise((resolve) => {
    open = resolve;
  });
  const both = [
    leaders.reads.fetch([at('a', 0)], options),
    leaders.reads.fetch([at('a', 1)], options),
  ];
  await quietly();
  expect(leaders.asked.map(({ lane }) => lane)).toEqual(['fetch 1', 'fetch 2']);
  open();
  await Promise.all(both);
  await leaders.reads.fetch([at('a', 0)], options);
  expect(leaders.asked.at(-1)!.lane).toBe('fetch 1');
});

test('a round that is given up rejects at once; its connection is taken until the answer', async () => {
  const leaders = world(['a', 0, {}]);
  let open = () => {};
  leaders.gate = new Promise((resolve) => {
    open = resolve;
  });
  const giveUp = new AbortController();
  const round = leaders.reads.fetch([at('a', 0)], { ...options, signal: giveUp.signal });
  await quietly();
  giveUp.abort();
  await expect(round).rejects.toMatchObject({ code: 'closed' });
  await expect(
    leaders.reads.fetch([at('a', 0)], { ...options, signal: giveUp.signal }),
  ).rejects.toMatchObject({ code: 'closed' });
  const next = leaders.reads.fetch([at('a', 0)], options);
  await quietly();
  expect(leaders.asked.map(({ lane }) => lane)).toEqual(['fetch 1', 'fetch 2']);
  open();
  await next;
});

test('those that had nothing for longest are asked for first', async () => {
  const leaders = world(['a', 0, {}], ['a', 1, {}], ['a', 2, {}]);
  const positions = [0, 1, 2].map((partition) => at('a', partition));
  const order = () => leaders.asked.at(-1)!.partitions.map(({ partition }) => partition);
  await leaders.reads.fetch(positions, options);
  expect(order()).toEqual([0, 1, 2]);
  leaders.partitions.get('a 0')!.records = values(['x']);
  await leaders.reads.fetch(positions, options);
  await leaders.reads.fetch(positions, options);
  expect(order()).toEqual([1, 2, 0]);
  leaders.partitions.get('a 0')!.records = Buffer.alloc(0);
  leaders.partitions.get('a 1')!.records = values(['x']);
  await leaders.reads.fetch(positions, options);
  await leaders.reads.fetch(positions, options);
  expect(order()).toEqual([2, 0, 1]);
});

test('closed, it rejects', async () => {
  const leaders = world(['a', 0, {}]);
  leaders.broken.set(1, new KafkaError('closed', 'closed'));
  await expect(leaders.reads.fetch([at('a', 0)], options)).rejects.toMatchObject({
    code: 'closed',
  });
});
