import { describe, expect, test } from 'vitest';
import { openRecords } from '#shared/kafka/open-records.ts';
import { batchAttribute, batchField } from '#shared/wire/batch-layout.ts';
import type { WireRecord } from '#shared/wire/record.ts';
import { BatchError, restampProducer } from '#shared/wire/record-batch.ts';
import { compactedBatch, logBatch, textRecord } from './log-batches.ts';

const open = (batch: Uint8Array, options?: Parameters<typeof openRecords>[1]) => [
  ...openRecords(batch, options),
];
const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof BatchError) return error.code;
    throw error;
  }
  return 'nothing thrown';
};

describe('a compacted batch', () => {
  for (const compression of [undefined, 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
    test(`gives what is left at its own offsets (${compression ?? 'none'})`, () => {
      const records = [3, 4, 90].map((offsetDelta) => ({
        offsetDelta,
        record: textRecord(`at ${offsetDelta}`),
      }));
      const about = { baseOffset: 1000, lastOffsetDelta: 99, records };
      const batch = compactedBatch(compression ? { ...about, compression } : about);
      const found = open(batch).map(({ offset, value }) => [offset, String(value)]);
      expect(found).toEqual([
        [1003, 'at 3'],
        [1004, 'at 4'],
        [1090, 'at 90'],
      ]);
    });
  }

  test('may have nothing left', () => {
    const about = { baseOffset: 7, lastOffsetDelta: 9, records: [] };
    expect(open(compactedBatch(about))).toEqual([]);
  });

  test('may count its timestamps from the time when tombstones go (KIP-534)', () => {
    const record = { ...textRecord('x'), timestamp: 500 };
    const records = [{ offsetDelta: 0, record }];
    const batch = compactedBatch({
      baseOffset: 0,
      lastOffsetDelta: 0,
      records,
      baseTimestamp: 9000,
    });
    batch.writeUInt16BE(batch.readUInt16BE(batchField.attributes) | 0x40, batchField.attributes);
    restampProducer(batch, { producerId: -1n, producerEpoch: -1, baseSequence: -1 });
    expect(open(batch)[0]!.timestamp).toBe(500);
  });
});

test('keys, values and headers come byte for byte: nulls, empties, order and repeats', () => {
  const record: WireRecord = {
    key: Buffer.alloc(0),
    value: null,
    headers: [
      ['b', Buffer.from('1')],
      ['10', null],
      ['a', Buffer.alloc(0)],
      ['b', Buffer.from([0xff])],
      ['10', Buffer.from('x')],
    ],
    timestamp: -1,
  };
  const [found] = open(logBatch({ baseOffset: 5, records: [record] }));
  expect(found).toEqual({ ...record, offset: 5 });
});

test('a topic with LogAppendTime gives the time of the append', () => {
  const batch = logBatch({ baseOffset: 0, records: ['a', 'b'] });
  batch[batchField.attributes + 1]! |= batchAttribute.logAppendTime;
  batch.writeBigInt64BE(1234n, batchField.maxTimestamp);
  restampProducer(batch, { producerId: -1n, producerEpoch: -1, baseSequence: -1 });
  expect(open(batch).map(({ timestamp }) => timestamp)).toEqual([1234, 1234]);
});

test('larger batches than ours are opened, up to the limit given', () => {
  const big = textRecord('x'.repeat(3_000_000));
  const records = [{ offsetDelta: 0, record: big }];
  const batch = compactedBatch({ baseOffset: 0, lastOffsetDelta: 0, records, compression: 'zstd' });
  expect(batch.length).toBeLessThan(10_000);
  expect(open(batch)[0]!.value).toHaveLength(3_000_000);
  expect(codeOf(() => open(batch, { maxBytes: 2_999_999 }))).toBe('too-large');
});

test('a damaged batch is refused before it is inflated, unless its CRC was looked at', () => {
  const batch = logBatch({ baseOffset: 0, records: ['abc'] });
  batch[batch.length - 3]! ^= 1;
  expect(codeOf(() => open(batch))).toBe('bad-crc');
  expect(open(batch, { trusted: true })).toHaveLength(1);
});

test('records that end early, or too late, are refused', () => {
  const records = [{ offsetDelta: 0, record: textRecord('x') }];
  const batch = compactedBatch({ baseOffset: 0, lastOffsetDelta: 3, records });
  const restamped = (count: number) => {
    const copy = Buffer.from(batch);
    copy.writeInt32BE(count, batchField.count);
    restampProducer(copy, { producerId: -1n, producerEpoch: -1, baseSequence: -1 });
    return copy;
  };
  expect(codeOf(() => open(restamped(2)))).toBe('bad-batch');
  const longer = Buffer.concat([batch, Buffer.from([0])]);
  longer.writeInt32BE(longer.length - batchField.leaderEpoch, batchField.batchLength);
  restampProducer(longer, { producerId: -1n, producerEpoch: -1, baseSequence: -1 });
  expect(codeOf(() => open(longer))).toBe('bad-batch');
});
