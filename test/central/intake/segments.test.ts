import { beforeEach, describe, expect, test } from 'vitest';
import { encodeFrame } from '#shared/wire/frame.ts';
import { linkPath } from '#shared/wire/link.ts';
import { sealBatch } from '#shared/wire/record-batch.ts';
import { Edge, id, openEdge } from './edge.ts';
import { World } from './world.ts';

let world: World;
let edge: Edge;
beforeEach(async () => {
  world = new World();
  edge = await openEdge(world);
});

const ack = (through: number, over: object = {}) => ({
  epoch: edge.epoch,
  topic: 'sensor-data',
  partition: 0,
  through,
  ...over,
});
const values = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => `factory-a-${from + i}`);

describe('what lands', () => {
  test('is in the remote and the merged topic, and acknowledged, once', async () => {
    const { status, body } = await edge.segments([edge.segment(0, 3), edge.segment(3, 2)]);
    expect(status).toBe(200);
    expect(body).toEqual({ acks: [ack(4)], verdicts: [] });
    expect(await world.valuesOf('factory-a.sensor-data')).toEqual(values(0, 4));
    expect(await world.valuesOf('sensor-data')).toEqual(values(0, 4));
  });

  test('goes to every stream that the request names, and each is acknowledged', async () => {
    const other = edge.segment(0, 2, { topic: 'vitals' });
    const { body } = await edge.segments([edge.segment(0, 3), other, edge.segment(3, 1)]);
    expect(body.acks).toEqual([ack(3), ack(1, { topic: 'vitals' })]);
    expect(await world.valuesOf('factory-a.vitals')).toHaveLength(2);
    expect(await world.valuesOf('sensor-data')).toHaveLength(4);
  });

  test('is told to the fleet only after the commit, with when it was accepted', async () => {
    await edge.segments([edge.segment(0, 3)], { 'tributary-clock': '5000' });
    expect(world.heard.landed).toMatchObject([
      { alias: 'factory-a', records: 3, acceptClock: 5000, checkpoints: [{ through: 2 }] },
    ]);
  });

  test('is judged by what is committed after central was started again', async () => {
    await edge.segments([edge.segment(0, 3)]);
    world.restart();
    const { body } = await edge.segments([edge.segment(0, 3), edge.segment(3, 1)]);
    expect(body).toEqual({ acks: [ack(3)], verdicts: [{ index: 0, verdict: 'duplicate' }] });
    expect(await world.valuesOf('sensor-data')).toEqual(values(0, 3));
  });
});

describe('what was sent again, out of order or cut otherwise', () => {
  test('is acknowledged and not landed twice', async () => {
    await edge.segments([edge.segment(0, 5)]);
    for (const again of [edge.segment(0, 5), edge.segment(1, 2), edge.segment(4, 1)]) {
      const { body } = await edge.segments([again]);
      expect(body).toEqual({ acks: [ack(4)], verdicts: [{ index: 0, verdict: 'duplicate' }] });
    }
    expect(await world.valuesOf('sensor-data')).toEqual(values(0, 4));
  });

  test('names what is expected where something is missing; nothing behind it lands', async () => {
    const frames = [edge.segment(2, 1), edge.segment(0, 1), edge.segment(3, 1)];
    const { body } = await edge.segments(frames);
    expect(body.verdicts).toEqual([
      { index: 0, verdict: 'gap', expected: 0 },
      { index: 2, verdict: 'gap', expected: 1 },
    ]);
    expect(body.acks).toEqual([ack(0)]);
    expect(await world.valuesOf('sensor-data')).toEqual(values(0, 0));
  });

  test('names where to cut when only a part is new', async () => {
    await edge.segments([edge.segment(0, 3)]);
    const { body } = await edge.segments([edge.segment(1, 5)]);
    expect(body.verdicts).toEqual([{ index: 0, verdict: 'overlap', expected: 3 }]);
    expect((await edge.segments([edge.segment(3, 3)])).body.acks).toEqual([ack(5)]);
    expect(await world.valuesOf('sensor-data')).toEqual(values(0, 5));
  });

  test('waits for its turn: two requests at once land in the order of their arrival', async () => {
    const answers = await Promise.all([
      edge.segments([edge.segment(0, 2)]),
      edge.segments([edge.segment(2, 2)]),
      edge.segments([edge.segment(0, 2)]),
    ]);
    expect(answers.map(({ body }) => body.acks[0]!.through)).toEqual([1, 3, 3]);
    expect(await world.valuesOf('sensor-data')).toEqual(values(0, 3));
  });
});

describe('losses', () => {
  test('land in the order of the stream, on the ledger', async () => {
    const { body } = await edge.segments([edge.segment(0, 2), edge.loss(2, 3), edge.segment(5, 1)]);
    expect(body).toEqual({ acks: [ack(5)], verdicts: [] });
    const [loss] = await world.landing.losses({ alias: 'factory-a', limit: 10 });
    expect(loss).toMatchObject({ first: 2, span: 3, records: 3, reason: 'evicted' });
    const [checkpoint] = await world.landing.checkpoints({ alias: 'factory-a' });
    expect(checkpoint).toMatchObject({ landedRecords: 3, lostRecords: 3, through: 5 });
  });

  test('are cut to what has not landed, and the edge learns how many are here', async () => {
    await edge.segments([edge.segment(0, 4)]);
    const { body } = await edge.segments([edge.loss(2, 5)]);
    expect(body).toEqual({
      acks: [ack(6)],
      verdicts: [{ index: 0, verdict: 'clipped', landed: 2 }],
    });
    const losses = await world.landing.losses({ limit: 10 });
    expect(losses).toMatchObject([{ first: 4, span: 3, records: 3 }]);
  });

  test('that are declared again, or widened, count what was a loss before as a loss', async () => {
    await edge.segments([edge.loss(0, 3), edge.segment(3, 2)]);
    const again = await edge.segments([edge.loss(0, 3)]);
    expect(again.body.verdicts).toEqual([{ index: 0, verdict: 'duplicate' }]);
    const wider = await edge.segments([edge.loss(0, 8)]);
    expect(wider.body.verdicts).toEqual([{ index: 0, verdict: 'clipped', landed: 2 }]);
    const within = await edge.segments([edge.loss(8, 2), edge.loss(5, 6)]);
    expect(within.body).toEqual({ acks: [ack(10)], verdicts: [] });
    const [checkpoint] = await world.landing.checkpoints({});
    expect(checkpoint).toMatchObject({ landedRecords: 2, lostRecords: 9, through: 10 });
  });

  test('do not jump over what is missing', async () => {
    const { body } = await edge.segments([edge.loss(1, 3)]);
    expect(body.verdicts).toEqual([{ index: 0, verdict: 'gap', expected: 0 }]);
    expect(body.acks).toEqual([ack(-1)]);
  });
});

describe('poison is refused frame by frame, and the stream goes on', () => {
  const damaged = () => {
    const segment = edge.segment(0, 3);
    segment.batch = Buffer.from(segment.batch);
    segment.batch[70]! ^= 1;
    return segment;
  };
  const cases: [string, string, () => ReturnType<Edge['segment']>][] = [
    ['a batch whose checksum is wrong', 'bad-crc', damaged],
    ['another count in the frame', 'bad-batch', () => edge.segment(0, 3, { count: 4 })],
    [
      'another site’s name in the records',
      'bad-provenance',
      () => ({ ...new Edge(world, 'factory-b').segment(0, 3), epoch: edge.epoch }),
    ],
    [
      'another epoch in the records',
      'bad-provenance',
      () => edge.segment(0, 3, { batch: edge.segment(0, 3, { epoch: id('other') }).batch }),
    ],
    [
      'another topic in the records',
      'bad-provenance',
      () => edge.segment(0, 3, { batch: edge.segment(0, 3, { topic: 'other' }).batch }),
    ],
    [
      'other sequences in the records',
      'bad-provenance',
      () => edge.segment(0, 3, { batch: edge.segment(7, 3).batch }),
    ],
    [
      'no name at all where one is promised',
      'bad-provenance',
      () => {
        const records = [{ key: null, value: Buffer.from('x'), headers: [], timestamp: 1 }];
        return edge.segment(0, 1, { batch: sealPlain(records) });
      },
    ],
    ['a topic of our own', 'bad-topic', () => edge.segment(0, 3, { topic: 'x.internal' })],
    ['a heartbeats topic', 'bad-topic', () => edge.segment(0, 3, { topic: 'heartbeats' })],
    [
      'a name that is too long with its prefix',
      'bad-topic',
      () => edge.segment(0, 1, { topic: 't'.repeat(245) }),
    ],
  ];

  test.each(cases)('%s: %s', async (_, code, make) => {
    const bad = make();
    const next = edge.segment(bad.count, 1, { topic: bad.topic });
    const { status, body } = await edge.segments([
      bad,
      next,
      edge.segment(0, 1, { topic: 'fine' }),
    ]);
    expect(status).toBe(200);
    expect(body.verdicts).toMatchObject([
      { index: 0, verdict: 'refused', code },
      { index: 1, verdict: 'gap', expected: 0 },
    ]);
    expect(body.acks).toContainEqual(ack(0, { topic: 'fine' }));
    expect(world.heard.troubles).toMatchObject([{ alias: 'factory-a', type: 'refused' }]);
    expect(world.refusals).toEqual([code]);
    const loss = { ...edge.loss(0, bad.count, { reason: 'refused' }), topic: bad.topic };
    const after = await edge.segments([loss]);
    expect(after.body).toMatchObject({ acks: [{ through: bad.count - 1 }], verdicts: [] });
  });

  test('the same batch under a name without provenance headers may not smuggle them', async () => {
    const { body } = await edge.segments([edge.segment(0, 3, { provenance: 'index' })]);
    expect(body.verdicts).toMatchObject([{ verdict: 'refused', code: 'bad-provenance' }]);
  });
});

describe('a body that is damaged anywhere lands nowhere', () => {
  test.each([0, 20, 100, 300])('byte %i flipped', async (at) => {
    const body = Buffer.concat([edge.segment(0, 2), edge.segment(2, 2)].flatMap(encodeFrame));
    body[at % body.length]! ^= 0x40;
    const answer = await edge.post(linkPath.segments, body);
    expect(answer).toMatchObject({ status: 400, body: { error: { code: 'bad-frame' } } });
    expect(await world.valuesOf('sensor-data')).toEqual([]);
  });

  test('cut off at the end', async () => {
    const body = Buffer.concat([edge.segment(0, 2), edge.segment(2, 2)].flatMap(encodeFrame));
    const answer = await edge.post(linkPath.segments, body.subarray(0, -1));
    expect(answer).toMatchObject({ status: 400, body: { error: { code: 'bad-frame' } } });
    expect(await world.valuesOf('sensor-data')).toEqual([]);
  });

  test('an empty body is fine and says nothing', async () => {
    expect(await edge.segments([])).toMatchObject({
      status: 200,
      body: { acks: [], verdicts: [] },
    });
  });
});

test('numbers at the edge of what fits neither crash anything nor touch another site', async () => {
  const most = Number.MAX_SAFE_INTEGER - 1;
  const { body } = await edge.segments([
    edge.segment(0, 1, { first: most - 10_000 }),
    edge.loss(1, most - 1, { bytes: 0 }),
    edge.loss(0, most, { bytes: Number.MAX_SAFE_INTEGER }),
  ]);
  expect(body.verdicts.map(({ verdict }) => verdict)).toEqual(['gap', 'gap']);
  expect(body.acks).toEqual([ack(most - 1)]);
  const other = await openEdge(world, 'factory-b');
  const [hostile, fine] = await Promise.all([
    edge.segments([{ ...edge.loss(0, most, { bytes: most }), topic: 'again' }]),
    other.segments([other.segment(0, 3)]),
  ]);
  expect(hostile.status).toBeGreaterThanOrEqual(200);
  expect(fine).toMatchObject({ status: 200, body: { acks: [{ through: 2 }] } });
  expect((await world.landing.aliases()).length).toBe(2);
});

function sealPlain(records: Parameters<typeof sealBatch>[0]) {
  return sealBatch(records, { compression: 'none' });
}
