import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkBatch } from '#shared/wire/batch-check.ts';
import { batchHeaderBytes } from '#shared/wire/batch-layout.ts';
import { limits } from '#shared/wire/limits.ts';
import { type Provenance, recordBytes, type WireRecord } from '#shared/wire/record.ts';
import {
  BatchError,
  type Compression,
  openBatch,
  readBatchHeader,
  restampProducer,
  sealBatch,
  sealedSizeEstimate,
  stripProvenance,
} from '#shared/wire/record-batch.ts';
import { provenance, record, records, runs, seed } from './arbitrary.ts';

const compressions: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const site: Provenance = {
  alias: 'factory-a',
  topic: 'sensor-data',
  epoch: '00112233445566778899aabbccddeeff',
  firstSequence: 0,
};
const plain = (value: Buffer, timestamp = 1_700_000_000_000): WireRecord => ({
  key: null,
  value,
  headers: [],
  timestamp,
});
const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return error instanceof BatchError ? error.code : `not a BatchError: ${error}`;
  }
  return 'nothing thrown';
};

test(`a sealed record comes back byte for byte, whatever it holds (seed ${seed})`, () => {
  const compression = fc.constantFrom(...compressions);
  fc.assert(
    fc.property(records, compression, fc.option(provenance), (wanted, packed, from) => {
      const batch = sealBatch(wanted, { compression: packed, provenance: from ?? undefined });
      const found = checkBatch(batch, { count: wanted.length, provenance: from });
      const opened = openBatch(batch);
      expect(opened.map(stripProvenance)).toEqual(wanted);
      expect(found.maxTimestamp).toBe(Math.max(...wanted.map(({ timestamp }) => timestamp)));
      expect(found.payloadBytes).toBe(wanted.reduce((sum, one) => sum + recordBytes(one), 0));
      if (!from) return;
      for (const [i, { headers }] of opened.entries()) {
        expect(headers.slice(-4)).toEqual([
          ['tributary.alias', Buffer.from(from.alias)],
          ['tributary.topic', Buffer.from(from.topic)],
          ['tributary.epoch', Buffer.from(from.epoch)],
          ['tributary.sequence', Buffer.from(String(from.firstSequence + i))],
        ]);
      }
    }),
    runs(300),
  );
});

test(`what the estimate says always suffices (seed ${seed})`, () => {
  fc.assert(
    fc.property(records, fc.option(provenance), (wanted, from) => {
      const options = { compression: 'none', provenance: from ?? undefined } as const;
      const estimate = wanted
        .map((one) => sealedSizeEstimate(one, options.provenance))
        .reduce((sum, bytes) => sum + bytes, batchHeaderBytes);
      const actual = sealBatch(wanted, options).length;
      expect(actual).toBeLessThanOrEqual(estimate);
      expect(actual).toBeGreaterThan(estimate - wanted.length * 50);
    }),
    runs(200),
  );
});

test('the bytes are those of Kafka’s format, fixed for ever', () => {
  const batch = sealBatch(
    [
      { key: Buffer.from('k'), value: Buffer.from('v1'), headers: [], timestamp: 1000 },
      { key: null, value: null, headers: [['h', null]], timestamp: 999 },
    ],
    { compression: 'none' },
  );
  const head = '0000000000000000 00000045 ffffffff 02 21fb6639 0000 00000001';
  const times = '00000000000003e8 00000000000003e8';
  const producer = 'ffffffffffffffff ffff ffffffff 00000002';
  const first = '12 00 00 00 02 6b 04 7631 00';
  const second = '12 00 01 02 01 01 02 02 68 01';
  const wanted = [head, times, producer, first, second].join('').replaceAll(' ', '');
  expect(batch.toString('hex')).toBe(wanted);
});

test('compression that would not make it smaller is left out', () => {
  const batch = sealBatch([plain(Buffer.from('x'))], { compression: 'zstd' });
  expect(readBatchHeader(batch).compression).toBe('none');
});

test('a header tells what the batch is', () => {
  const many = Array.from({ length: 100 }, (_, i) => plain(Buffer.alloc(50), 5000 - i));
  expect(readBatchHeader(sealBatch(many, { compression: 'zstd' }))).toMatchObject({
    count: 100,
    lastOffsetDelta: 99,
    compression: 'zstd',
    timestampType: 'create',
    transactional: false,
    control: false,
    baseTimestamp: 5000,
    maxTimestamp: 5000,
    producerId: -1n,
    producerEpoch: -1,
    baseSequence: -1,
  });
});

test('a level changes the size, not the records', () => {
  const text = Array.from({ length: 2000 }, (_, i) => plain(Buffer.from(`{"reading":${i * 31}}`)));
  const fast = sealBatch(text, { compression: 'zstd', level: 1 });
  const small = sealBatch(text, { compression: 'zstd', level: 19 });
  expect(small.length).toBeLessThan(fast.length);
  expect(openBatch(small)).toEqual(openBatch(fast));
});

test(`restamping changes the producer and nothing else (seed ${seed})`, () => {
  const id = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
  const epoch = fc.integer({ min: 0, max: 32_767 });
  const sequence = fc.integer({ min: 0, max: 2 ** 31 - 1 });
  fc.assert(
    fc.property(records, id, epoch, sequence, (wanted, producerId, producerEpoch, baseSequence) => {
      const batch = sealBatch(wanted, { compression: 'zstd' });
      const producer = { producerId, producerEpoch, baseSequence };
      const { crc: before, ...rest } = readBatchHeader(batch);
      restampProducer(batch, producer);
      const { crc: after, ...stamped } = readBatchHeader(batch);
      expect(stamped).toEqual({ ...rest, ...producer });
      expect(after).not.toBe(before);
      expect(openBatch(batch)).toEqual(wanted);
    }),
    runs(50),
  );
});

describe('sealing refuses what nobody could take in', () => {
  const options = { compression: 'zstd' } as const;

  test.each([
    ['no records', () => sealBatch([], options), 'bad-batch'],
    [
      'too many records',
      () => sealBatch(new Array(limits.segmentRecords + 1).fill(plain(Buffer.alloc(1))), options),
      'too-large',
    ],
    [
      'a record over the limit',
      () => sealBatch([plain(Buffer.alloc(limits.recordBytes + 1))], options),
      'too-large',
    ],
    [
      'a batch over the limit, however small it compresses',
      () => sealBatch(new Array(3).fill(plain(Buffer.alloc(400 * 1024))), options),
      'too-large',
    ],
    [
      'a reserved header',
      () => sealBatch([{ ...plain(Buffer.alloc(1)), headers: [['tributary.x', null]] }], options),
      'bad-batch',
    ],
    [
      'a fractional timestamp',
      () => sealBatch([plain(Buffer.alloc(1), 0.5)], options),
      'bad-batch',
    ],
    [
      'a timestamp before 1970',
      () => sealBatch([plain(Buffer.alloc(1), -2)], options),
      'bad-batch',
    ],
    [
      'an alias that is none',
      () =>
        sealBatch([plain(Buffer.alloc(1))], { ...options, provenance: { ...site, alias: 'a.b' } }),
      'bad-provenance',
    ],
    [
      'an epoch that is none',
      () =>
        sealBatch([plain(Buffer.alloc(1))], { ...options, provenance: { ...site, epoch: 'x' } }),
      'bad-provenance',
    ],
    [
      'sequences beyond the safe integers',
      () =>
        sealBatch([plain(Buffer.alloc(1))], {
          ...options,
          provenance: { ...site, firstSequence: Number.MAX_SAFE_INTEGER },
        }),
      'bad-provenance',
    ],
  ])('%s', (_, work, code) => {
    expect(codeOf(work)).toBe(code);
  });

  test('and the next batch is not touched by it', () => {
    expect(codeOf(() => sealBatch([plain(Buffer.alloc(limits.recordBytes + 1))], options))).toBe(
      'too-large',
    );
    const wanted = [plain(Buffer.from('next'))];
    expect(openBatch(sealBatch(wanted, options))).toEqual(wanted);
  });
});

test('the largest record, with the largest provenance, fits a segment', () => {
  const headers = Array.from({ length: limits.headersPerRecord }, () => ['', null] as const);
  const largest = { ...plain(Buffer.alloc(limits.recordBytes, 'ab')), headers };
  const from = {
    ...site,
    alias: 'a'.repeat(limits.aliasLength),
    topic: 't'.repeat(limits.topicLength),
    firstSequence: Number.MAX_SAFE_INTEGER - 1,
  };
  const batch = sealBatch([largest], { compression: 'none', provenance: from });
  expect(sealedSizeEstimate(largest, from)).toBeGreaterThan(batch.length - batchHeaderBytes);
  expect(checkBatch(batch, { count: 1, provenance: from }).payloadBytes).toBe(limits.recordBytes);
});

test('a batch with bytes behind its records is not opened', () => {
  const sealed = sealBatch([plain(Buffer.from('a'))], { compression: 'none' });
  const longer = Buffer.concat([sealed, Buffer.of(0)]);
  longer.writeInt32BE(longer.length - 12, 8);
  restampProducer(longer, { producerId: -1n, producerEpoch: -1, baseSequence: -1 });
  expect(() => openBatch(longer)).toThrow('1 bytes behind the records');
});

test('opened records of a log-append batch carry the broker’s time', () => {
  const batch = sealBatch([plain(Buffer.from('a'), 5), plain(Buffer.from('b'), 7)], {
    compression: 'none',
  });
  batch[22] = 0b1000;
  batch.writeBigInt64BE(99n, 35);
  restampProducer(batch, { producerId: -1n, producerEpoch: -1, baseSequence: -1 });
  expect(openBatch(batch).map(({ timestamp }) => timestamp)).toEqual([99, 99]);
});

test(`a record without provenance is stripped to itself (seed ${seed})`, () => {
  fc.assert(
    fc.property(record, (one) => {
      expect(stripProvenance(one)).toBe(one);
    }),
    runs(50),
  );
});
