import { afterAll, beforeAll, expect, test } from 'vitest';
import { openInlineLanding } from '#central/landing/embedded.ts';
import { openMemoryDatabase } from '#central/landing/embedded-open.ts';
import type { Landing } from '#central/landing/landing.ts';
import { silentLog } from '#shared/std/log.ts';
import { Site } from '../../contract/landing-site.ts';
import { mebibyte, testClock } from '../landing/embedded-harness.ts';
import { complaints } from './contract.ts';
import { fakeStatus } from './fakes.ts';

/** The status API over the landing that people run. */

let landing: Landing;
let get: ReturnType<typeof fakeStatus>['get'];
const recordsPath = '/api/v1/topics/{topic}/partitions/{partition}/records';

beforeAll(async () => {
  const limits = { retentionMs: 3_600_000, maxBytes: 256 * mebibyte };
  const parts = { clock: testClock().clock, log: silentLog };
  landing = openInlineLanding(openMemoryDatabase(), limits, parts);
  const site = new Site('factory-a');
  const at = parts.clock.now();
  await landing.commit([site.hello(at)]);
  const segments = [site.segment(900), site.segment(1), site.segment(1_300)];
  await landing.commit([site.write(at, { segments, losses: [site.loss(7)] })]);
  const large = site.segment(6, { topic: 'large', valueBytes: 150_000 });
  await landing.commit([site.write(at, { segments: [large] })]);
  ({ get } = fakeStatus({
    checkpoints: (filter) => landing.checkpoints(filter),
    losses: (filter) => landing.losses(filter),
    topics: () => landing.topics(),
    records: (...asked) => landing.records(...asked),
    usage: () => landing.usage(),
    probe: () => landing.probe(),
  }));
});
afterAll(() => landing.close());

test.each([
  ['/api/v1/checkpoints', '/api/v1/checkpoints?alias=factory-a'],
  ['/api/v1/losses', '/api/v1/losses'],
  ['/api/v1/topics', '/api/v1/topics'],
  ['/api/v1/central', '/api/v1/central'],
  ['/readyz', '/readyz'],
  [recordsPath, '/api/v1/topics/factory-a.readings/partitions/0/records'],
  [recordsPath, '/api/v1/topics/readings/partitions/0/records?offset=1000&limit=1000'],
  [recordsPath, '/api/v1/topics/tributary.losses/partitions/0/records'],
])('%s is answered as described: %s', async (path, asked) => {
  const { status, body } = await get(asked);
  expect(complaints('get', path, status, body)).toEqual([]);
  expect(status).toBe(200);
});

test('every record of a topic is read once, in order, whatever the page', async () => {
  for (const [topic, limit] of [
    ['factory-a.readings', 1_000],
    ['readings', 37],
    ['factory-a.large', 1_000],
  ] as const) {
    const sequences: string[] = [];
    let next: number | null = 0;
    while (next !== null) {
      const page = `/api/v1/topics/${topic}/partitions/0/records?offset=${next}&limit=${limit}`;
      const { body } = await get(page);
      for (const { headers } of body.records)
        sequences.push(new Map(headers).get('tributary.sequence') as string);
      next = body.next;
    }
    expect(sequences).toEqual(Array.from({ length: sequences.length }, (_, n) => String(n)));
    expect(sequences.length).toBe(topic.endsWith('large') ? 6 : 2_201);
  }
});

test('the checkpoint, the topics and the ledger agree with what was landed', async () => {
  const { checkpoints } = (await get('/api/v1/checkpoints?topic=readings')).body;
  expect(checkpoints).toMatchObject([
    {
      alias: 'factory-a',
      through: 2_207,
      landedRecords: 2_201,
      lostRecords: 7,
      remoteTopic: 'factory-a.readings',
      merged: [{ topic: 'readings' }],
    },
  ]);
  const { topics } = (await get('/api/v1/topics')).body;
  const counts = new Map(
    topics.map((row: { topic: string; records: number }) => [row.topic, row.records]),
  );
  expect(counts.get('factory-a.readings')).toBe(2_201);
  expect(counts.get('readings')).toBe(2_201);
  const { losses } = (await get('/api/v1/losses?alias=factory-a')).body;
  expect(losses).toMatchObject([{ first: 2_201, span: 7, records: 7, reason: 'evicted' }]);
});
