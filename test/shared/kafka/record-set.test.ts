import { expect, test } from 'vitest';
import { type RecordSet, splitRecordSet } from '#shared/kafka/record-set.ts';
import { batchField } from '#shared/wire/batch-layout.ts';
import { openBatch, restampProducer } from '#shared/wire/record-batch.ts';
import { logBatch, marker } from './log-batches.ts';

/** The records' values, the offset to go on at, and what is wrong. */
function read(batches: readonly Buffer[], about: Partial<RecordSet> = {}) {
  const split = splitRecordSet({
    topic: 't',
    partition: 0,
    offset: 0,
    isolation: 'committed',
    aborted: [],
    bytes: Buffer.concat(batches),
    ...about,
  });
  const values = split.batches.flatMap(({ bytes }) =>
    openBatch(bytes).map(({ value }) => String(value)),
  );
  return { values, next: split.nextOffset, error: split.error?.kafkaCode ?? null, split };
}

test('batches come as the log holds them, byte for byte', () => {
  const batches = (['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const).map((compression, i) =>
    logBatch({ baseOffset: i * 40, records: Array(40).fill('much the same'), compression }),
  );
  const { split, next } = read(batches);
  expect(split.batches.map(({ bytes }) => Buffer.from(bytes))).toEqual(batches);
  expect(split.batches.map(({ baseOffset }) => baseOffset)).toEqual([0, 40, 80, 120, 160]);
  expect(split.batches.map(({ lastOffset }) => lastOffset)).toEqual([39, 79, 119, 159, 199]);
  expect(next).toBe(200);
});

test('a batch that the answer cuts off is left for the next one', () => {
  const one = logBatch({ baseOffset: 0, records: ['a'] });
  const two = logBatch({ baseOffset: 1, records: ['b'] });
  for (let cut = 0; cut < two.length; cut++) {
    expect(read([one, two.subarray(0, cut)])).toMatchObject({ values: ['a'], next: 1 });
    expect(read([two.subarray(0, cut)])).toMatchObject({ values: [], next: 0, error: null });
  }
});

test('the batch around the offset asked for comes whole, batches before it do not', () => {
  const batches = [
    logBatch({ baseOffset: 0, records: ['a', 'b'] }),
    logBatch({ baseOffset: 2, records: ['c', 'd'] }),
  ];
  expect(read(batches, { offset: 3 })).toMatchObject({ values: ['c', 'd'], next: 4 });
});

test('control batches are never given, in either isolation', () => {
  const batches = [logBatch({ baseOffset: 0, records: ['a'] }), marker(1, 5n, 'commit')];
  expect(read(batches)).toMatchObject({ values: ['a'], next: 2 });
  expect(read(batches, { isolation: 'uncommitted' })).toMatchObject({ values: ['a'], next: 2 });
  expect(read([marker(9, 5n, 'commit')], { offset: 9 })).toMatchObject({ values: [], next: 10 });
});

test('what was aborted is left out up to its marker, and what others wrote between stays', () => {
  const batches = [
    logBatch({ baseOffset: 0, records: ['before'], producerId: 5n }),
    marker(1, 5n, 'commit'),
    logBatch({ baseOffset: 2, records: ['gone', 'gone'], producerId: 5n }),
    logBatch({ baseOffset: 4, records: ['plain'] }),
    logBatch({ baseOffset: 5, records: ['other'], producerId: 6n }),
    logBatch({ baseOffset: 6, records: ['gone'], producerId: 5n }),
    marker(7, 5n, 'abort'),
    logBatch({ baseOffset: 8, records: ['after'], producerId: 5n }),
  ];
  const aborted = [{ producerId: 5n, firstOffset: 2 }];
  expect(read(batches, { aborted })).toMatchObject({
    values: ['before', 'plain', 'other', 'after'],
    next: 9,
  });
  expect(read(batches, { aborted, isolation: 'uncommitted' }).values).toHaveLength(7);
});

test('transactions aborted one after the other, told in any order, are all left out', () => {
  const batches = [
    logBatch({ baseOffset: 0, records: ['gone'], producerId: 5n }),
    marker(1, 5n, 'abort'),
    logBatch({ baseOffset: 2, records: ['kept'], producerId: 5n }),
    marker(3, 5n, 'commit'),
    logBatch({ baseOffset: 4, records: ['gone'], producerId: 5n }),
    marker(5, 5n, 'abort'),
  ];
  const aborted = [
    { producerId: 5n, firstOffset: 4 },
    { producerId: 5n, firstOffset: 0 },
  ];
  expect(read(batches, { aborted })).toMatchObject({ values: ['kept'], next: 6 });
  expect(read(batches.slice(0, 2), { aborted })).toMatchObject({ values: [], next: 2 });
});

test('a record that looks like an abort marker is none', () => {
  const record = { key: Buffer.alloc(4), value: Buffer.from('x'), headers: [], timestamp: 0 };
  const batches = [
    logBatch({ baseOffset: 0, records: [record], producerId: 5n }),
    logBatch({ baseOffset: 1, records: ['gone too'], producerId: 5n }),
  ];
  expect(read(batches, { aborted: [{ producerId: 5n, firstOffset: 0 }] }).values).toEqual([]);
});

test('a transaction that was aborted further on does not hide what comes before it', () => {
  const batches = [logBatch({ baseOffset: 0, records: ['kept'], producerId: 5n })];
  expect(read(batches, { aborted: [{ producerId: 5n, firstOffset: 3 }] }).values).toEqual(['kept']);
});

test('every damaged byte under the checksum is noticed', () => {
  const batch = logBatch({ baseOffset: 4, records: ['a', 'b'], compression: 'none' });
  for (let at = batchField.crc; at < batch.length; at++) {
    const damaged = Buffer.from(batch);
    damaged[at]! ^= 1;
    expect(read([damaged], { offset: 4 })).toMatchObject({
      values: [],
      next: 4,
      error: 'CORRUPT_MESSAGE',
    });
  }
});

test('what comes before a bad batch is given first; then the error names where it is', () => {
  const good = logBatch({ baseOffset: 0, records: ['a'] });
  const bad = logBatch({ baseOffset: 1, records: ['b'] });
  bad[bad.length - 1]! ^= 1;
  expect(read([good, bad])).toMatchObject({ values: ['a'], next: 1, error: null });
  const { split } = read([bad], { offset: 1 });
  expect(split.error).toMatchObject({ code: 'invalid', topic: 't', partition: 0 });
  expect(split.error?.message).toMatch(/t-0.*offset 1 .*CRC/);
});

test('the formats before RecordBatch v2 are refused by name', () => {
  for (const magic of [0, 1]) {
    const old = Buffer.alloc(40);
    old.writeInt32BE(28, batchField.batchLength);
    old[batchField.magic] = magic;
    const { error, split } = read([old]);
    expect(error).toBe('UNSUPPORTED_FOR_MESSAGE_FORMAT');
    expect(split.error?.message).toContain(`message format ${magic}`);
  }
});

test('bytes that are no batch are refused, whatever they claim', () => {
  const nonsense = logBatch({ baseOffset: 0, records: ['a'] });
  nonsense.writeInt32BE(-20, batchField.batchLength);
  expect(read([nonsense]).error).toBe('CORRUPT_MESSAGE');
  const later = logBatch({ baseOffset: 0, records: ['a'] });
  later[batchField.magic] = 3;
  restampProducer(later, { producerId: -1n, producerEpoch: -1, baseSequence: -1 });
  expect(read([later]).error).toBe('CORRUPT_MESSAGE');
});
