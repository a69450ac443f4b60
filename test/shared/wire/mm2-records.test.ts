import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeGroupCheckpoint,
  encodeGroupCheckpoint,
  type GroupCheckpoint,
} from '#shared/wire/mm2-checkpoint.ts';
import { decodeMm2Heartbeat, encodeMm2Heartbeat } from '#shared/wire/mm2-heartbeat.ts';
import {
  decodeMm2OffsetSync,
  encodeMm2OffsetSync,
  type Mm2OffsetSync,
} from '#shared/wire/mm2-offset-sync.ts';
import { Mm2FormatError } from '#shared/wire/mm2-struct.ts';
import { runs, seed } from './arbitrary.ts';

/** The hexadecimal vectors were written by Apache Kafka's own classes (connect-mirror 4.0). */

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

const checkpoints: [name: string, GroupCheckpoint, key: string, value: string][] = [
  [
    'a group far on',
    {
      group: 'line-dashboard',
      topic: 'factory-a.sensor-data',
      partition: 3,
      upstreamOffset: 1_234_567_890_123,
      offset: 42,
      metadata: '',
    },
    '000e 6c696e652d64617368626f617264 0015 666163746f72792d612e73656e736f722d64617461 00000003',
    '0000 0000011f71fb04cb 000000000000002a 0000',
  ],
  [
    'names that are longer in bytes than in characters',
    {
      group: 'grüße',
      topic: 'factory-a.sensor-data',
      partition: 0,
      upstreamOffset: 0,
      offset: 0,
      metadata: 'métà',
    },
    '0007 6772c3bcc39f65 0015 666163746f72792d612e73656e736f722d64617461 00000000',
    '0000 0000000000000000 0000000000000000 0006 6dc3a974c3a0',
  ],
];

describe.each(checkpoints)('a checkpoint of %s', (_, checkpoint, key, value) => {
  test('is written byte for byte as Apache writes it', () => {
    expect(encodeGroupCheckpoint(checkpoint)).toEqual({ key: hex(key), value: hex(value) });
  });
  test('is read from what Apache writes', () => {
    expect(decodeGroupCheckpoint({ key: hex(key), value: hex(value) })).toEqual(checkpoint);
  });
});

const heartbeat = { source: 'factory-a', target: 'central', timestampMs: 1_700_000_000_000 };
const heartbeatBytes = {
  key: hex('0009 666163746f72792d61 0007 63656e7472616c'),
  value: hex('0000 0000018bcfe56800'),
};

test('a heartbeat is written and read byte for byte as Apache does it', () => {
  expect(encodeMm2Heartbeat(heartbeat)).toEqual(heartbeatBytes);
  expect(decodeMm2Heartbeat(heartbeatBytes)).toEqual(heartbeat);
});

test.each<[Mm2OffsetSync, string, string]>([
  [
    { topic: 'sensor-data', partition: 3, upstreamOffset: 4096, offset: 100_000 },
    '000b 73656e736f722d64617461 00000003',
    '0000000000001000 00000000000186a0',
  ],
  [
    { topic: 'sensor-data', partition: 0, upstreamOffset: 0, offset: -1 },
    '000b 73656e736f722d64617461 00000000',
    '0000000000000000 ffffffffffffffff',
  ],
])('offset sync %o is written and read byte for byte as Apache does it', (sync, key, value) => {
  expect(encodeMm2OffsetSync(sync)).toEqual({ key: hex(key), value: hex(value) });
  expect(decodeMm2OffsetSync({ key: hex(key), value: hex(value) })).toEqual(sync);
});

test(`what is written is read again, whatever the names (seed ${seed})`, () => {
  const offset = fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER });
  const checkpoint = fc.record({
    group: fc.string({ unit: 'grapheme' }),
    topic: fc.string(),
    partition: fc.nat(),
    upstreamOffset: offset,
    offset,
    metadata: fc.string({ unit: 'grapheme' }),
  });
  fc.assert(
    fc.property(checkpoint, (given) => {
      expect(decodeGroupCheckpoint(encodeGroupCheckpoint(given))).toEqual(given);
      const { topic, partition, upstreamOffset } = given;
      const sync = { topic, partition, upstreamOffset, offset: given.offset };
      expect(decodeMm2OffsetSync(encodeMm2OffsetSync(sync))).toEqual(sync);
      const beat = { source: given.group, target: topic, timestampMs: partition };
      expect(decodeMm2Heartbeat(encodeMm2Heartbeat(beat))).toEqual(beat);
    }),
    runs(200),
  );
});

const [, , key, value] = checkpoints[0]!;

test.each([
  ['a tombstone', hex(key), null, 'checkpoint value is null'],
  ['no key', null, hex(value), 'checkpoint key is null'],
  ['an empty key and value', Buffer.alloc(0), Buffer.alloc(0), 'checkpoint value is cut off'],
  ['a short key', hex(key).subarray(0, 20), hex(value), 'checkpoint key is cut off'],
  ['a short value', hex(key), hex(value).subarray(0, 19), 'checkpoint value is cut off'],
  ['a null string', hex('ffff'), hex(value), 'checkpoint key holds a null string'],
  ['another version', hex(key), hex(value.replace('0000', '0001')), 'has version 1'],
  ['an offset beyond 2^53', hex(key), hex(value.replace('0000011f', '7fffffff')), 'beyond'],
])('%s is an error that says so', (_, badKey, badValue, words) => {
  const read = () => decodeGroupCheckpoint({ key: badKey, value: badValue });
  expect(read).toThrow(Mm2FormatError);
  expect(read).toThrow(words);
});

test('bytes behind the last field are ignored, as Apache ignores them', () => {
  const longer = Buffer.concat([hex(value), Buffer.from('more')]);
  expect(decodeGroupCheckpoint({ key: hex(key), value: longer })).toEqual(checkpoints[0]![1]);
});

test.each([
  ['group', { group: 'x'.repeat(32_768) }, 'group is 32768 bytes'],
  ['partition', { partition: -1 }, 'partition is -1'],
  ['partition', { partition: 2 ** 31 }, 'partition is 2147483648'],
  ['offset', { offset: 1.5 }, 'offset is 1.5'],
  ['upstreamOffset', { upstreamOffset: Number.NaN }, 'upstreamOffset is NaN'],
] as [string, Partial<GroupCheckpoint>, string][])(
  'a %s that does not fit is not written',
  (_, change, words) => {
    expect(() => encodeGroupCheckpoint({ ...checkpoints[0]![1], ...change })).toThrow(words);
  },
);
