import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkBatch } from '#shared/wire/batch-check.ts';
import { limits } from '#shared/wire/limits.ts';
import { recordProblem, type WireRecord } from '#shared/wire/record.ts';
import { openBatch, sealBatch, stripProvenance } from '#shared/wire/record-batch.ts';
import { type RecordRun, RunWalk } from '#shared/wire/record-run.ts';
import { RecordWriter } from '#shared/wire/record-writer.ts';
import { RunsSealer } from '#shared/wire/seal-runs.ts';
import { VarintError } from '#shared/wire/varint.ts';
import { provenance, records, runs, seed } from './arbitrary.ts';

/** Records as a batch holds them, their offsets `step` apart. */
function runOf(all: readonly WireRecord[], baseOffset: number, step = 1): RecordRun {
  const writer = new RecordWriter();
  const baseTimestamp = all[0]!.timestamp;
  for (const [i, record] of all.entries()) {
    writer.write(record, record.timestamp - baseTimestamp, i * step);
  }
  const bytes = Buffer.from(writer.bytes.subarray(0, writer.end));
  return { bytes, count: all.length, baseTimestamp, timestamp: null, baseOffset };
}

const sealedWith = { compression: 'zstd', compressFrom: 0, targetBytes: 1 << 20 } as const;

test(`sealed unopened, records are what sealing them opened makes (seed ${seed})`, () => {
  const property = fc.property(records, provenance, fc.maxSafeNat(), (all, from, offset) => {
    const sealer = new RunsSealer([runOf(all, Math.floor(offset / 2))]);
    const sealed = sealer.seal({ ...sealedWith, provenance: from });
    expect(sealer.left).toBe(0);
    expect(sealed.batch).toEqual(sealBatch(all, { compression: 'zstd', provenance: from }));
    expect(sealed.places).toEqual([{ offset: Math.floor(offset / 2), count: all.length }]);
    const checked = checkBatch(sealed.batch, { count: all.length, provenance: from });
    expect(sealed.bytes).toBe(checked.payloadBytes);
  });
  fc.assert(property, runs(150));
});

test(`runs are cut into batches within their target, in order, with their places (seed ${seed})`, () => {
  const some = fc.array(fc.tuple(records, fc.nat(1_000), fc.integer({ min: 1, max: 3 })), {
    minLength: 1,
    maxLength: 4,
  });
  const property = fc.property(
    some,
    provenance,
    fc.integer({ min: 200, max: 4_000 }),
    (parts, from, targetBytes) => {
      const sealer = new RunsSealer(parts.map(([all, offset, step]) => runOf(all, offset, step)));
      const opened: WireRecord[] = [];
      const places: number[] = [];
      let { firstSequence } = from;
      while (sealer.left > 0) {
        const provenance = { ...from, firstSequence };
        const sealed = sealer.seal({ ...sealedWith, provenance, targetBytes });
        const { count, batch, size } = sealed;
        if (count > 1) expect(size).toBeLessThanOrEqual(targetBytes);
        checkBatch(batch, { count, provenance });
        opened.push(...openBatch(batch).map(stripProvenance));
        places.push(
          ...sealed.places.flatMap((one) =>
            Array.from({ length: one.count }, (_, i) => one.offset + i),
          ),
        );
        firstSequence += count;
      }
      expect(opened).toEqual(parts.flatMap(([all]) => all));
      expect(places).toEqual(
        parts.flatMap(([all, offset, step]) => all.map((_, i) => offset + i * step)),
      );
    },
  );
  fc.assert(property, runs(150));
});

const plain = (more: Partial<WireRecord>): WireRecord => ({
  ...{ key: null, value: Buffer.from('v'), headers: [], timestamp: 5, ...more },
});

test.each([
  [
    'as always',
    plain({
      headers: [
        ['tributary', null],
        ['', Buffer.alloc(0)],
        ['x', null],
      ],
    }),
    true,
  ],
  ['a tombstone', plain({ value: null }), true],
  [
    'a reserved header',
    plain({
      headers: [
        ['a', null],
        ['tributary.x', null],
      ],
    }),
    false,
  ],
  [
    'too many headers',
    plain({ headers: Array(limits.headersPerRecord + 1).fill(['h', null]) }),
    false,
  ],
  ['too large', plain({ value: Buffer.alloc(limits.recordBytes + 1) }), false],
  ['a time that is none', plain({ timestamp: -2 }), false],
])('%s: what can be sealed unopened has no problem', (_, record, isPlain) => {
  const walk = new RunWalk(runOf([record], 0));
  walk.next();
  expect(walk.isPlain()).toBe(isPlain);
  expect(recordProblem(record) === undefined).toBe(isPlain);
});

test('the time that a broker has set is that of all records', () => {
  const run = { ...runOf([plain({ timestamp: 1 }), plain({ timestamp: 2 })], 0), timestamp: 77 };
  const { batch } = new RunsSealer([run]).seal({
    ...sealedWith,
    provenance: { alias: 'a', topic: 't', epoch: 'e'.repeat(32), firstSequence: 0 },
  });
  expect(openBatch(batch).map(({ timestamp }) => timestamp)).toEqual([77, 77]);
});

test(`damage is told and never read over (seed ${seed})`, () => {
  const damaged = fc.tuple(records, fc.nat(), fc.nat(255), fc.boolean());
  const property = fc.property(damaged, ([all, at, byte, isCut]) => {
    const run = runOf(all, 0);
    const bytes = Buffer.from(run.bytes);
    bytes[at % bytes.length] = byte;
    const walk = new RunWalk({
      ...run,
      bytes: isCut ? bytes.subarray(0, at % bytes.length) : bytes,
    });
    try {
      for (let left = run.count; left > 0; left--) {
        walk.next();
        walk.isPlain();
        expect(walk.end).toBeLessThanOrEqual(bytes.length);
      }
    } catch (error) {
      expect(error).toBeInstanceOf(VarintError);
    }
  });
  fc.assert(property, runs(150));
});
