import { expect, test } from 'vitest';
import { LandingError } from '#central/landing/landing.ts';
import type { LossRecord } from '#shared/wire/link.ts';
import { epochMs, fakeStatus, landed, partitionOf } from './fakes.ts';

const path = '/api/v1/topics/factory-a.x/partitions/0/records';

const loss = (over: Partial<LossRecord> = {}): LossRecord => ({
  alias: 'factory-a',
  epoch: 'a'.repeat(32),
  topic: 'x',
  partition: 0,
  first: 10,
  span: 5,
  records: 5,
  scope: 'stream',
  bytes: 500,
  from: epochMs - 9_000,
  to: null,
  reason: 'evicted',
  detail: 'the buffer was full',
  landedAt: epochMs,
  ...over,
});

test('bytes that are text come as text, others as base64, null as null', async () => {
  const records = [
    landed(0, {
      key: Buffer.from([0xff, 0]),
      value: Buffer.from('grüezi 🌊'),
      headers: [
        ['n', null],
        ['t', Buffer.from('x')],
        ['b', Buffer.from([0xc3, 0x28])],
        ['t', Buffer.from('')],
      ],
    }),
    landed(1, { key: null, value: Buffer.from([0x80]) }),
  ];
  const { get } = fakeStatus({ records: partitionOf('factory-a.x', records) });
  expect((await get(path)).body).toEqual({
    records: [
      {
        offset: 0,
        timestamp: '2026-01-31T08:00:00.000Z',
        keyBase64: '/wA=',
        value: 'grüezi 🌊',
        headers: [
          ['n', null],
          ['t', 'x'],
          ['b', { base64: 'wyg=' }],
          ['t', ''],
        ],
      },
      {
        offset: 1,
        timestamp: '2026-01-31T08:00:00.000Z',
        key: null,
        valueBase64: 'gA==',
        headers: [],
      },
    ],
    next: null,
  });
});

test('a record with an impossible time is shown without one, and spoils no answer', async () => {
  const times = [-1, 9_007_199_254_740_991, -9_007_199_254_740_991, 253_402_300_800_000, 0];
  const records = times.map((timestamp, offset) => landed(offset, { timestamp }));
  const { get } = fakeStatus({ records: partitionOf('factory-a.x', records) });
  const { body } = await get(path);
  expect(body.records.map((record: { timestamp: string }) => record.timestamp)).toEqual([
    null,
    null,
    null,
    null,
    '1970-01-01T00:00:00.000Z',
  ]);
});

test('pages join without a gap or a repeat', async () => {
  const records = Array.from({ length: 250 }, (_, n) => landed(n * 2));
  const { get } = fakeStatus({ records: partitionOf('factory-a.x', records) });
  const seen: number[] = [];
  let next: number | null = 0;
  while (next !== null) {
    const { body } = await get(`${path}?offset=${next}&limit=100`);
    seen.push(...body.records.map((record: { offset: number }) => record.offset));
    next = body.next;
  }
  expect(seen).toEqual(records.map(({ offset }) => offset));
});

test('an answer ends near 4 MiB, however large the records are, and says where to go on', async () => {
  const records = Array.from({ length: 100 }, (_, n) =>
    landed(n, { value: Buffer.alloc(900_000) }),
  );
  const asked: number[] = [];
  const read = partitionOf('factory-a.x', records);
  const { get } = fakeStatus({
    records: (topic, partition, offset, limit) => {
      asked.push(limit);
      return read(topic, partition, offset, limit);
    },
  });
  const { body } = await get(`${path}?limit=1000`);
  expect(body.next).toBe(body.records.length);
  expect(body.records.length).toBeLessThanOrEqual(16);
  expect(Math.max(...asked)).toBeLessThanOrEqual(16);
});

test('wrong parameters are refused by name and value', async () => {
  const { get } = fakeStatus({ records: partitionOf('factory-a.x', []) });
  const wrong: [path: string, message: RegExp][] = [
    [`${path}?offset=-1`, /^offset = "-1"/],
    [`${path}?offset=1.5`, /^offset = "1.5"/],
    [`${path}?offset=9999999999999999`, /^offset = /],
    [`${path}?limit=0`, /^limit = "0" .*1 to 1000/],
    [`${path}?limit=1001`, /^limit = "1001"/],
    [`${path}?limit=5&limit=6`, /^limit = "6" is given twice/],
    [`${path}?ofset=5`, /^ofset = "5" is not a parameter/],
    ['/api/v1/topics/factory-a.x/partitions/one/records', /^partition = "one"/],
    ['/api/v1/topics/a%2Fb/partitions/0/records', /^topic = "a\/b"/],
    ['/api/v1/losses?since=yesterday', /^since = "yesterday"/],
    ['/api/v1/losses?since=2026-01-31T08:00:00', /^since = /],
    ['/api/v1/losses?since=2026-13-31', /^since = /],
    ['/api/v1/losses?alias=a.b', /^alias = "a.b"/],
    ['/api/v1/checkpoints?topic=a%20b', /^topic = "a b"/],
    ['/api/v1/groups?alias=-', /^alias = "-"/],
    ['/api/v1/edges?x=1', /^x = "1"/],
  ];
  for (const [asked, message] of wrong) {
    const { status, body } = await get(asked);
    expect([asked, status, body.error.code]).toEqual([asked, 400, 'bad-parameter']);
    expect(body.error.message).toMatch(message);
    expect(body.error.hint).not.toBe('');
  }
});

test('a topic or partition that is not there is a 404', async () => {
  const { get } = fakeStatus({ records: partitionOf('factory-a.x', []) });
  expect((await get('/api/v1/topics/nope/partitions/0/records')).status).toBe(404);
  expect((await get('/api/v1/topics/factory-a.x/partitions/1/records')).status).toBe(404);
});

test('losses are filtered by site and time, given either way, and say when there are more', async () => {
  const asked: unknown[] = [];
  const { get } = fakeStatus({
    losses: async (filter) => {
      asked.push(filter);
      return [loss(), loss(), loss()].slice(0, filter.limit);
    },
  });
  const all = (await get('/api/v1/losses?alias=&since=')).body;
  expect(all.truncated).toBe(false);
  expect(all.losses[0]).toEqual({
    ...loss(),
    from: '2026-01-31T07:59:51.000Z',
    landedAt: '2026-01-31T08:00:00.000Z',
  });
  const some = (await get(`/api/v1/losses?alias=factory-a&since=${epochMs}&limit=2`)).body;
  expect([some.losses.length, some.truncated]).toEqual([2, true]);
  await get('/api/v1/losses?since=2026-01-31T08:00:00Z');
  await get('/api/v1/losses?since=2026-01-31T09:00:00+01:00');
  await get('/api/v1/losses?since=2026-01-31');
  expect(asked).toEqual([
    { alias: undefined, sinceMs: undefined, limit: 1_001 },
    { alias: 'factory-a', sinceMs: epochMs, limit: 3 },
    { alias: undefined, sinceMs: epochMs, limit: 1_001 },
    { alias: undefined, sinceMs: epochMs, limit: 1_001 },
    { alias: undefined, sinceMs: epochMs - 8 * 3_600_000, limit: 1_001 },
  ]);
});

test('checkpoints say where a stream landed, in the remote and in every merged topic', async () => {
  const row = {
    alias: 'factory-a',
    epoch: 'a'.repeat(32),
    topic: 'x',
    partition: 0,
    partitionCount: 1,
    through: 41,
    landedRecords: 40,
    landedBytes: 4_000,
    lostRecords: 2,
    remoteTopic: 'factory-a.x',
    remoteOffset: 40,
    merged: [{ topic: 'x', offset: 70 }],
    acceptedAt: epochMs - 5,
    landedAt: epochMs,
    session: 'b'.repeat(32),
  };
  const source = { sourceIncarnation: '1'.repeat(32), sourceNext: 41 };
  const { get } = fakeStatus({ checkpoints: async () => [{ ...row, ...source }] });
  expect((await get('/api/v1/checkpoints?alias=&topic=')).body.checkpoints).toEqual([
    { ...row, acceptedAt: '2026-01-31T07:59:59.995Z', landedAt: '2026-01-31T08:00:00.000Z' },
  ]);
});

test('topics count their partitions and readable records, and say where each begins and ends', async () => {
  const { get } = fakeStatus({
    topics: async () => [
      {
        topic: 'factory-a.x',
        kind: 'remote',
        partitions: [{ partition: 0, startOffset: 10, endOffset: 40 }],
        records: 30,
        troubles: ['retention.ms = 1: too short'],
      },
    ],
  });
  expect((await get('/api/v1/topics')).body.topics).toEqual([
    {
      topic: 'factory-a.x',
      kind: 'remote',
      partitions: 1,
      records: 30,
      recordsExact: true,
      troubles: ['retention.ms = 1: too short'],
      offsets: [{ partition: 0, startOffset: 10, endOffset: 40 }],
    },
  ]);
  expect((await get('/api/v1/groups?alias=factory-a')).body).toEqual({ groups: [] });
});

test('a landing that fails is a 503 with its reason; a fault of ours tells no inside', async () => {
  const { get } = fakeStatus({
    topics: () => Promise.reject(new LandingError('closed', 'the landing is closed')),
    checkpoints: () => Promise.reject(new TypeError('x is not a function of /root/secret')),
  });
  const failed = await get('/api/v1/topics');
  expect(failed.status).toBe(503);
  expect(failed.body.error).toMatchObject({
    code: 'landing-closed',
    message: 'the landing is closed',
  });
  const fault = await get('/api/v1/checkpoints');
  expect(fault.status).toBe(500);
  expect(JSON.stringify(fault.body)).not.toContain('secret');
});
