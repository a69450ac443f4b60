import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkBatch } from '#shared/wire/batch-check.ts';
import { batchHeaderBytes, batchField as field } from '#shared/wire/batch-layout.ts';
import { codecs } from '#shared/wire/compression.ts';
import { limits } from '#shared/wire/limits.ts';
import type { Provenance, RecordHeader, WireRecord } from '#shared/wire/record.ts';
import { BatchError, openBatch, restampProducer, sealBatch } from '#shared/wire/record-batch.ts';
import { RecordWriter } from '#shared/wire/record-writer.ts';
import { VarintReader, writeVarint } from '#shared/wire/varint.ts';
import { provenance, records, runs, seed } from './arbitrary.ts';

const site: Provenance = {
  alias: 'factory-a',
  topic: 'sensor-data',
  epoch: '00112233445566778899aabbccddeeff',
  firstSequence: 7,
};
const stamp: readonly RecordHeader[] = [
  ['tributary.alias', Buffer.from('factory-a')],
  ['tributary.topic', Buffer.from('sensor-data')],
  ['tributary.epoch', Buffer.from(site.epoch)],
  ['tributary.sequence', Buffer.from('7')],
];
const one: WireRecord = {
  key: Buffer.from('k'),
  value: Buffer.from('v'),
  headers: [],
  timestamp: 1000,
};
const three: WireRecord[] = [one, { ...one, key: null }, { ...one, value: null, timestamp: 2000 }];

/** The verdict of central on `batch`: a code and message, or "fine". */
function verdict(batch: Uint8Array, count: number, from: Provenance | null): string {
  try {
    checkBatch(batch, { count, provenance: from });
    return 'fine';
  } catch (error) {
    if (!(error instanceof BatchError)) throw error;
    return `${error.code}: ${error.message}`;
  }
}

const noProducer = { producerId: -1n, producerEpoch: -1, baseSequence: -1 };

/** `batch` after `change`, with a CRC that is right again, as a hostile edge would send it. */
function forged(batch: Buffer, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(batch);
  change(copy);
  const producer = {
    producerId: copy.readBigInt64BE(field.producerId),
    producerEpoch: copy.readInt16BE(field.producerEpoch),
    baseSequence: copy.readInt32BE(field.baseSequence),
  };
  restampProducer(copy, producer);
  return copy;
}

/** A batch around any payload at all. */
function around(payload: Uint8Array, { count = 1, attributes = 0, timestamp = 1000 } = {}): Buffer {
  const head = sealBatch([one], { compression: 'none' }).subarray(0, batchHeaderBytes);
  return forged(Buffer.concat([head, payload]), (copy) => {
    copy.writeInt32BE(copy.length - field.leaderEpoch, field.batchLength);
    copy.writeInt16BE(attributes, field.attributes);
    copy.writeInt32BE(count - 1, field.lastOffsetDelta);
    copy.writeInt32BE(count, field.count);
    copy.writeBigInt64BE(BigInt(timestamp), field.maxTimestamp);
  });
}

/** The records' bytes, written without any of sealing's checks. */
function payloadOf(written: readonly WireRecord[], offsets = written.map((_, i) => i)): Buffer {
  const writer = new RecordWriter();
  for (const [i, record] of written.entries()) {
    writer.write(record, record.timestamp - written[0]!.timestamp, offsets[i]!);
  }
  return Buffer.from(writer.bytes.subarray(0, writer.end));
}

/** A batch of one record from the bytes behind its length, which may be off by `lie`. */
function raw(hex: string, lie = 0): Buffer {
  const body = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const length = Buffer.alloc(5);
  return around(
    Buffer.concat([length.subarray(0, writeVarint(length, 0, body.length + lie)), body]),
  );
}

test('what the edge seals is taken', () => {
  for (const compression of ['none', 'zstd'] as const) {
    expect(verdict(sealBatch(three, { compression }), 3, null)).toBe('fine');
    const sealed = sealBatch(three, { compression, provenance: site });
    expect(verdict(sealed, 3, site)).toBe('fine');
  }
});

test('sequences are followed over every change of their length', () => {
  const many = Array.from({ length: 120 }, () => one);
  for (const firstSequence of [0, 9, 10, 95, 99, 890, 999_999_990]) {
    const from = { ...site, firstSequence };
    const sealed = sealBatch(many, { compression: 'none', provenance: from });
    expect(verdict(sealed, 120, from)).toBe('fine');
    expect(verdict(sealed, 120, { ...from, firstSequence: firstSequence + 1 })).toMatch(
      /^bad-provenance/,
    );
  }
});

describe('a header that lies is refused', () => {
  const batch = sealBatch(three, { compression: 'none' });
  const cases: [string, (copy: Buffer) => void, RegExp][] = [
    ['magic', (b) => b.writeInt8(1, field.magic), /^bad-batch: magic/],
    ['length', (b) => b.writeInt32BE(1, field.batchLength), /^bad-batch: length/],
    ['base offset', (b) => b.writeBigInt64BE(1n, field.baseOffset), /^bad-batch: base offset/],
    ['count', (b) => b.writeInt32BE(2, field.count), /^bad-batch: 2 records/],
    ['negative count', (b) => b.writeInt32BE(-1, field.count), /^bad-batch: record count/],
    ['last delta', (b) => b.writeInt32BE(3, field.lastOffsetDelta), /^bad-batch: last offset/],
    ['transactional', (b) => b.writeInt16BE(16, field.attributes), /^bad-batch: transactional/],
    ['control', (b) => b.writeInt16BE(32, field.attributes), /^bad-batch: transactional/],
    ['log append', (b) => b.writeInt16BE(8, field.attributes), /^bad-batch: timestamp type/],
    ['delete horizon', (b) => b.writeInt16BE(64, field.attributes), /^bad-batch: unknown attr/],
    ['high attributes', (b) => b.writeInt16BE(256, field.attributes), /^bad-batch: unknown attr/],
    ['compression 5', (b) => b.writeInt16BE(5, field.attributes), /^bad-batch: unknown compr/],
    ['wrong compression', (b) => b.writeInt16BE(4, field.attributes), /^bad-batch: zstd/],
    ['producer id', (b) => b.writeBigInt64BE(1n, field.producerId), /^bad-batch: a producer/],
    ['producer epoch', (b) => b.writeInt16BE(0, field.producerEpoch), /^bad-batch: a producer/],
    ['base sequence', (b) => b.writeInt32BE(0, field.baseSequence), /^bad-batch: a producer/],
    ['max timestamp', (b) => b.writeBigInt64BE(2001n, field.maxTimestamp), /^bad-timestamp/],
    ['base timestamp', (b) => b.writeBigInt64BE(-2n, field.baseTimestamp), /^bad-timestamp/],
    ['far timestamp', (b) => b.writeBigInt64BE(2n ** 62n, field.baseTimestamp), /^bad-timestamp/],
  ];
  test.each(cases)('%s', (_, change, wanted) => {
    expect(verdict(forged(batch, change), 3, null)).toMatch(wanted);
  });

  test('and so is one that is cut short', () => {
    for (let length = 0; length < batch.length; length++) {
      expect(verdict(batch.subarray(0, length), 3, null)).toMatch(/^bad-batch/);
    }
  });

  test('and a count that is not the frame’s', () => {
    expect(verdict(batch, 2, null)).toMatch(/^bad-batch: 3 records, the frame says 2/);
  });
});

describe('records that lie are refused', () => {
  const huge = 'x'.repeat(600 * 1024);
  const big = { ...one, key: Buffer.from(huge), value: Buffer.from(huge.slice(0, 330 * 1024)) };
  const crowd = Array.from({ length: limits.headersPerRecord + 1 }, () => ['h', null] as const);
  const cases: [string, Buffer, number, RegExp][] = [
    ['offset deltas out of order', around(payloadOf(three, [0, 2, 1]), { count: 3 }), 3, /offset/],
    ['a repeated offset delta', around(payloadOf(three, [0, 0, 1]), { count: 3 }), 3, /offset/],
    ['bytes behind them', around(Buffer.concat([payloadOf([one]), Buffer.of(0)])), 1, /behind/],
    ['one more than said', around(payloadOf([one, one])), 1, /behind the records/],
    ['one fewer than said', around(payloadOf([one]), { count: 2 }), 2, /nothing left/],
    ['record attributes', raw('01 00 00 026b 0276 00'), 1, /attributes/],
    ['a length too long', raw('00 00 00 026b 0276 00', +1), 1, /wanted/],
    ['a length too short', raw('00 00 00 026b 0276 00', -1), 1, /does not fit/],
    ['a negative length', raw('00 00 00 026b 0276 00', -9), 1, /wanted/],
    ['a value of -2 bytes', raw('00 00 00 026b 03 00'), 1, /-2 bytes wanted/],
    ['a header without a name', raw('00 00 00 026b 0276 02 01 01'), 1, /-1 bytes wanted/],
    ['fewer headers than none', raw('00 00 00 026b 0276 01'), 1, /-1 headers/],
    ['a varint without end', around(Buffer.alloc(20, 0xff)), 1, /varint/],
    ['too many headers', around(payloadOf([{ ...one, headers: crowd }])), 1, /1001 headers/],
    ['a record over the limit', around(payloadOf([big])), 1, /^too-large: record 0/],
  ];
  test.each(cases)('%s', (_, batch, count, wanted) => {
    expect(verdict(batch, count, null)).toMatch(/^(bad-batch|too-large): /);
    expect(verdict(batch, count, null)).toMatch(wanted);
  });

  test('a timestamp delta that leaves the calendar', () => {
    const far = payloadOf([one, { ...one, timestamp: 8_640_000_000_000_001 }]);
    expect(verdict(around(far, { count: 2 }), 2, null)).toMatch(/^bad-timestamp/);
  });
});

describe('provenance cannot be forged', () => {
  const sealedAs = (headers: readonly RecordHeader[]) => around(payloadOf([{ ...one, headers }]));

  test('the right one is taken', () => {
    expect(verdict(sealedAs([['own', null], ...stamp]), 1, site)).toBe('fine');
  });

  const other = (at: number, value: Buffer | null): RecordHeader[] =>
    stamp.map(([name, own], i) => [name, i === at ? value : own]);
  const cases: [string, readonly RecordHeader[]][] = [
    ['none', []],
    ['only three of four', stamp.slice(1)],
    ['another alias', other(0, Buffer.from('factory-b'))],
    ['another topic', other(1, Buffer.from('sensor-dato'))],
    ['another epoch', other(2, Buffer.from('f'.repeat(32)))],
    ['another sequence', other(3, Buffer.from('8'))],
    ['a sequence with a leading zero', other(3, Buffer.from('07'))],
    ['a null instead of the alias', other(0, null)],
    ['another order', [stamp[1]!, stamp[0]!, stamp[2]!, stamp[3]!]],
    ['a header behind it', [...stamp, ['own', null]]],
    ['twice', [...stamp, ...stamp]],
    ['another one before it', [['tributary.alias', Buffer.from('factory-b')], ...stamp]],
    ['a reserved name of its own', [['tributary.', null], ...stamp]],
  ];
  test.each(cases)('%s', (_, headers) => {
    expect(verdict(sealedAs(headers), 1, site)).toMatch(/^bad-(provenance|batch)/);
  });

  test('nor followed by bytes that belong to no header', () => {
    const good = payloadOf([{ ...one, headers: stamp }]);
    const reader = new VarintReader(good);
    const body = good.subarray(good.length - reader.int32());
    expect(verdict(raw(body.toString('hex')), 1, site)).toBe('fine');
    expect(verdict(raw(`${body.toString('hex')} 00`), 1, site)).toMatch(/^bad-provenance/);
  });

  test('nor smuggled in where a segment has none', () => {
    expect(verdict(sealedAs(stamp), 1, null)).toMatch(/^bad-provenance/);
    expect(verdict(sealedAs([['tributary.sequence', null]]), 1, null)).toMatch(/^bad-provenance/);
    expect(verdict(sealedAs([['tributary', null]]), 1, null)).toBe('fine');
  });

  test(`no other site’s batch passes for ours (seed ${seed})`, () => {
    fc.assert(
      fc.property(records, provenance, provenance, (wanted, theirs, ours) => {
        fc.pre(JSON.stringify(theirs) !== JSON.stringify(ours));
        const sealed = sealBatch(wanted, { compression: 'zstd', provenance: theirs });
        expect(verdict(sealed, wanted.length, ours)).toMatch(/^bad-provenance/);
      }),
      runs(100),
    );
  });
});

describe('a bomb is refused before it goes off', () => {
  const zeros = Buffer.alloc(limits.segmentBytes * 2);
  test.each([
    ['gzip', 1],
    ['snappy', 2],
    ['lz4', 3],
    ['zstd', 4],
  ] as const)('%s', (name, attributes) => {
    const bomb = around(codecs[name].compress(zeros), { attributes });
    expect(bomb.length).toBeLessThan(200 * 1024);
    expect(verdict(bomb, 1, null)).toMatch(/^too-large/);
    expect(() => openBatch(bomb)).toThrow(BatchError);
  });

  test('a batch that is itself too large', () => {
    expect(verdict(around(zeros), 1, null)).toMatch(/^too-large/);
  });

  test('a batch of more records than a segment may have', () => {
    const count = limits.segmentRecords + 1;
    const many = payloadOf(new Array(count).fill({ ...one, key: null, value: null }));
    expect(verdict(around(many, { count }), count, null)).toMatch(/^bad-batch: 10001 records/);
  });

  test('bytes behind the compressed ones, which other readers would stumble over', () => {
    for (const [name, attributes] of [
      ['gzip', 1],
      ['snappy', 2],
      ['lz4', 3],
      ['zstd', 4],
    ] as const) {
      const packed = codecs[name].compress(payloadOf([one]));
      expect(verdict(around(packed, { attributes }), 1, null)).toBe('fine');
      const trailing = Buffer.concat([packed, Buffer.of(0)]);
      expect(verdict(around(trailing, { attributes }), 1, null)).toMatch(/^bad-batch/);
    }
  });
});

test('the fence against a wrong CRC stands before everything else', () => {
  const batch = sealBatch(three, { compression: 'zstd', provenance: site });
  for (let bit = field.crc * 8; bit < batch.length * 8; bit++) {
    const damaged = Buffer.from(batch);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    expect(verdict(damaged, 3, site)).toMatch(/^bad-/);
  }
});

test('a restamped batch is no longer an edge’s', () => {
  const batch = sealBatch(three, { compression: 'none' });
  restampProducer(batch, { ...noProducer, producerId: 5n });
  expect(verdict(batch, 3, null)).toMatch(/^bad-batch: a producer is set/);
});
