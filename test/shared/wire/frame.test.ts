import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32c } from '#shared/std/crc32c.ts';
import {
  decodeFrames,
  encodeFrame,
  type Frame,
  FrameError,
  frameSize,
  type LossFrame,
  type SegmentFrame,
} from '#shared/wire/frame.ts';
import { limits } from '#shared/wire/limits.ts';
import { frame, runs, seed } from './arbitrary.ts';

const segment: SegmentFrame = {
  kind: 'segment',
  epoch: '00112233445566778899aabbccddeeff',
  topic: 'sensor-data',
  partition: 0,
  partitionCount: 1,
  first: 10,
  count: 2,
  acceptedFrom: 5,
  acceptedTo: 6,
  provenance: 'headers',
  runs: [],
  batch: Buffer.alloc(61, 7),
};
const loss: LossFrame = {
  kind: 'loss',
  epoch: segment.epoch,
  topic: 'sensor-data',
  partition: 0,
  partitionCount: 1,
  loss: {
    first: 3,
    span: 2,
    records: 2,
    scope: 'stream',
    bytes: 10,
    from: 1,
    to: null,
    reason: 'evicted',
    detail: '',
  },
};
const run = { sequence: 10, sourceOffset: 1, count: 2, incarnation: '0'.repeat(32) };
const bodyOf = (...frames: Frame[]) => Buffer.concat(frames.flatMap(encodeFrame));

function errorOf(work: () => unknown): FrameError {
  try {
    work();
  } catch (error) {
    if (error instanceof FrameError) return error;
    throw error;
  }
  throw new Error('nothing thrown');
}

test(`frames come back as they were sent (seed ${seed})`, () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 5 }), (frames) => {
      const body = bodyOf(...frames);
      expect(decodeFrames(body)).toEqual(frames);
      expect(body.length).toBe(frames.reduce((sum, one) => sum + frameSize(one), 0));
    }),
    runs(300),
  );
});

test('neither side copies the batch', () => {
  const [head, tail] = encodeFrame(segment);
  expect(tail).toBe(segment.batch);
  const body = Buffer.concat([head!, tail!]);
  const [decoded] = decodeFrames(body) as [SegmentFrame];
  expect(decoded.batch.buffer).toBe(body.buffer);
});

test('a body may be a view into anything', () => {
  const body = bodyOf(segment, loss);
  const view = new Uint8Array(body.length + 7);
  view.set(body, 3);
  expect(decodeFrames(view.subarray(3, 3 + body.length))).toEqual([segment, loss]);
});

test('an error says which frame it means and where that begins', () => {
  const body = bodyOf(segment, loss);
  body[body.length - 1]! ^= 1;
  const error = errorOf(() => decodeFrames(body));
  const offset = frameSize(segment);
  expect(error).toMatchObject({ code: 'bad-crc', index: 1, offset });
  expect(error.message).toMatch(`frame 1 at byte ${offset}: CRC is`);
});

describe('codes tell the ends of a body apart', () => {
  const body = bodyOf(segment);
  const changed = (change: (copy: Buffer) => void): Buffer => {
    const copy = Buffer.from(body);
    change(copy);
    return copy;
  };
  test.each([
    ['truncated', body.subarray(0, 20)],
    ['truncated', body.subarray(0, -1)],
    ['bad-magic', changed((b) => b.write('GET ', 0))],
    ['bad-version', changed((b) => b.writeUInt8(2, 4))],
    ['bad-length', changed((b) => b.writeUInt32BE(0, 8))],
    ['bad-length', changed((b) => b.writeUInt32BE(limits.requestBytes + 1, 8))],
    ['bad-crc', changed((b) => b.writeUInt8(2, 5))],
    ['too-large', Buffer.alloc(limits.requestBytes + 1)],
  ])('%s', (code, bytes) => {
    expect(errorOf(() => decodeFrames(bytes)).code).toBe(code);
  });
});

const badSegments: [string, Partial<SegmentFrame>][] = [
  ['epoch', { epoch: 'ABCDEF' }],
  ['epoch', { epoch: 'A0112233445566778899aabbccddeeff' }],
  ['topic', { topic: '' }],
  ['topic', { topic: 'a/b' }],
  ['topic', { topic: 't'.repeat(250) }],
  ['partition', { partition: 1 }],
  ['partition', { partition: -1 }],
  ['partitionCount', { partitionCount: 0 }],
  ['partitionCount', { partitionCount: 10_001 }],
  ['first', { first: -1 }],
  ['first', { first: Number.MAX_SAFE_INTEGER - 1 }],
  ['first', { first: 0.5 }],
  ['count', { count: 0 }],
  ['count', { count: 10_001 }],
  ['acceptedFrom', { acceptedFrom: 7 }],
  ['acceptedTo', { acceptedTo: -1 }],
  ['acceptedTo', { acceptedTo: Number.NaN }],
  ['batch', { batch: Buffer.alloc(60) }],
  ['batch', { batch: Buffer.alloc(limits.segmentBytes + 1) }],
  ['run', { runs: [{ ...run, sequence: 11 }] }],
  ['run', { runs: [{ ...run, count: 1 }] }],
  ['run', { runs: [{ ...run, count: 3 }] }],
  ['run', { runs: [{ ...run, count: 0 }] }],
  ['run', { runs: [{ ...run, sourceOffset: -1 }] }],
  ['run', { runs: [{ ...run, incarnation: '0' }] }],
  ['run', { runs: [run, { ...run, sequence: 12, count: 1 }] }],
  ['runs', { runs: new Array(limits.sourceRuns + 1).fill(run) }],
];
const badLosses: [string, object][] = [
  ['loss.first', { first: -1 }],
  ['loss.span', { span: 0, records: 0 }],
  ['loss.records', { records: -1 }],
  ['records in a range', { records: 1 }],
  ['a marker takes one', { scope: 'source' }],
  ['safe integers', { first: Number.MAX_SAFE_INTEGER }],
  ['loss.scope', { scope: 'all' }],
  ['loss.bytes', { bytes: 1.5 }],
  ['loss.from', { from: 'yesterday' }],
  ['loss.to', { to: undefined }],
  ['loss.reason', { reason: 'bored' }],
  ['loss.detail', { detail: 7 }],
];

describe('a frame that breaks a rule is neither written', () => {
  test.each(badSegments)('%s', (field, change) => {
    const error = errorOf(() => encodeFrame({ ...segment, ...change }));
    expect(error.code).toBe('bad-field');
    expect(error.message).toContain(field);
  });
  test.each(badLosses)('%s', (field, change) => {
    const bad = { ...loss, loss: { ...loss.loss, ...change } } as LossFrame;
    const error = errorOf(() => encodeFrame(bad));
    expect(error.code).toBe('bad-field');
    expect(error.message).toContain(field);
  });
});

describe('nor read, however right its CRC', () => {
  const sealed = (frame: Frame, change: (copy: Buffer) => void): Buffer => {
    const body = bodyOf(frame);
    change(body);
    body.writeUInt32BE(crc32c(body.subarray(16), crc32c(body.subarray(0, 12))), 12);
    return body;
  };
  const behindTopic = 41 + segment.topic.length;
  const withRun = { ...segment, runs: [run] };
  const runAt = behindTopic + 31;
  const json = (value: unknown) => (b: Buffer) => {
    b.fill(' ', behindTopic);
    b.write(JSON.stringify(value), behindTopic);
  };
  const cases: [string, Buffer, RegExp][] = [
    ['kind', sealed(segment, (b) => b.writeUInt8(3, 5)), /kind is 3/],
    ['zeros', sealed(segment, (b) => b.writeUInt16BE(1, 6)), /bytes 6 and 7/],
    ['partition', sealed(segment, (b) => b.writeUInt32BE(1, 32)), /partition is 1 of 1/],
    ['partitionCount', sealed(segment, (b) => b.writeUInt32BE(0, 36)), /partitionCount is 0/],
    ['topic length', sealed(segment, (b) => b.writeUInt8(255, 40)), /topic goes beyond/],
    ['topic', sealed(segment, (b) => b.writeUInt8(0, 41)), /topic/],
    ['first', sealed(segment, (b) => b.fill(0xff, behindTopic, behindTopic + 8)), /first is/],
    ['count', sealed(segment, (b) => b.writeUInt32BE(0, behindTopic + 8)), /count is 0/],
    ['accepted', sealed(segment, (b) => b.writeUInt8(1, behindTopic + 12)), /acceptedFrom/],
    ['flag', sealed(segment, (b) => b.writeUInt8(2, behindTopic + 28)), /provenance is 2/],
    ['runs', sealed(segment, (b) => b.writeUInt16BE(9, behindTopic + 29)), /runs go beyond/],
    ['batch', sealed(segment, (b) => b.writeUInt16BE(1, behindTopic + 29)), /batch has 33/],
    ['run’s count', sealed(withRun, (b) => b.writeUInt32BE(1, runAt + 8)), /runs make up 1 of 2/],
    ['run’s offset', sealed(withRun, (b) => b.writeUInt8(255, runAt)), /source offset/],
    ['cut off', sealed({ ...segment, topic: 't'.repeat(90) }, (b) => b.writeUInt8(172, 40)), /./],
    ['no JSON', sealed(loss, (b) => b.writeUInt8(0, behindTopic)), /not valid JSON/],
    ['a list', sealed(loss, json([])), /loss is a list/],
    ['null', sealed(loss, json(null)), /loss is null: must be an object/],
    ['an empty object', sealed(loss, json({})), /loss.first is missing/],
    [
      'a proto',
      sealed(loss, (b) => json(JSON.parse('{"__proto__":{"first":1}}'))(b)),
      /loss.first/,
    ],
  ];
  test.each(cases)('%s', (_, body, wanted) => {
    const error = errorOf(() => decodeFrames(body));
    expect(error.code).toBe('bad-field');
    expect(error.message).toMatch(wanted);
  });
});

test('a loss brings along nothing but its own fields', () => {
  const extra = { ...loss.loss, alias: 'factory-b', landedAt: 1 };
  const [decoded] = decodeFrames(bodyOf({ ...loss, loss: extra })) as [LossFrame];
  expect(Object.keys(decoded.loss)).toEqual(Object.keys(loss.loss));
});

test('words in a loss are cut, not refused', () => {
  const wordy = { ...loss, loss: { ...loss.loss, detail: 'x'.repeat(5000) } };
  const body = bodyOf(wordy);
  expect(frameSize(wordy)).toBe(body.length);
  expect((decodeFrames(body)[0] as LossFrame).loss.detail).toHaveLength(limits.lossDetailLength);
});
