import fc from 'fast-check';
import type { Frame, SourceRun } from '#shared/wire/frame.ts';
import { lossReasons } from '#shared/wire/loss.ts';
import type { Provenance, RecordHeader, WireRecord } from '#shared/wire/record.ts';

/** Fixed, so that a red run is red again; `TRIBUTARY_SEED=…` tries another. */
export const seed = Number(process.env.TRIBUTARY_SEED ?? 20261121);

/** fast-check's settings for every property of the wire; a failure prints seed and path. */
export const runs = (numRuns: number) => ({ seed, numRuns });

/** xorshift32: plain numbers for the damage tests, from {@link seed}. */
export function dice(start = seed): (below: number) => number {
  let state = start | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const blob = (maxLength: number) =>
  fc.option(
    fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes)),
    { nil: null },
  );

const headerName = fc
  .string({ maxLength: 12, unit: 'binary' })
  .filter((name) => !name.startsWith('tributary.'));

const timestamp = fc.oneof(
  fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }),
  fc.integer({ min: -1, max: 8_640_000_000_000_000 }),
);

export const record: fc.Arbitrary<WireRecord> = fc.record({
  key: blob(20),
  value: blob(300),
  headers: fc.array(fc.tuple(headerName, blob(20)) as fc.Arbitrary<RecordHeader>, { maxLength: 4 }),
  timestamp,
});

export const records = fc.array(record, { minLength: 1, maxLength: 60 });

export const hex32 = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => Buffer.from(bytes).toString('hex'));

const topic = fc
  .stringMatching(/^[A-Za-z0-9._-]{1,60}$/)
  .filter((name) => name !== '.' && name !== '..');

export const provenance: fc.Arbitrary<Provenance> = fc.record({
  alias: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,20}$/).filter((a) => a !== 'tributary'),
  topic,
  epoch: hex32,
  firstSequence: fc.oneof(
    fc.constantFrom(0, 5, 95, 9_990, 99_999_970),
    fc.maxSafeNat().map((n) => Math.max(0, n - 100)),
  ),
});

const streamHead = fc
  .tuple(hex32, topic, fc.integer({ min: 1, max: 10_000 }), fc.nat())
  .map(([epoch, name, partitionCount, n]) => ({
    epoch,
    topic: name,
    partition: n % partitionCount,
    partitionCount,
  }));

function runsOf(first: number, counts: number[], incarnation: string): SourceRun[] {
  let sequence = first;
  return counts.map((count) => {
    const run = { sequence, sourceOffset: sequence * 3, count, incarnation };
    sequence += count;
    return run;
  });
}

const segmentFrame = fc
  .record({
    head: streamHead,
    first: fc.nat(),
    counts: fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 8 }),
    incarnation: hex32,
    withRuns: fc.boolean(),
    accepted: fc.tuple(fc.nat(), fc.nat()),
    marked: fc.constantFrom('headers' as const, 'index' as const),
    batch: fc.uint8Array({ minLength: 61, maxLength: 200 }),
  })
  .map(
    ({ head, first, counts, incarnation, withRuns, accepted, marked, batch }): Frame => ({
      kind: 'segment',
      ...head,
      first,
      count: counts.reduce((sum, n) => sum + n, 0),
      acceptedFrom: Math.min(...accepted),
      acceptedTo: Math.max(...accepted),
      provenance: marked,
      runs: withRuns ? runsOf(first, counts, incarnation) : [],
      batch: Buffer.from(batch),
    }),
  );

const lossFrame = fc
  .record({
    head: streamHead,
    first: fc.nat(),
    span: fc.integer({ min: 1, max: 1000 }),
    lost: fc.nat(),
    scope: fc.constantFrom('stream' as const, 'source' as const),
    bytes: fc.maxSafeNat(),
    from: fc.option(fc.nat(), { nil: null }),
    to: fc.option(fc.nat(), { nil: null }),
    reason: fc.constantFrom(...lossReasons),
    detail: fc.string({ maxLength: 80, unit: 'grapheme' }),
  })
  .map(({ head, span, lost, scope, ...rest }): Frame => {
    const range = scope === 'stream' ? { span, records: span } : { span: 1, records: lost };
    return { kind: 'loss', ...head, loss: { ...rest, scope, ...range } };
  });

export const frame: fc.Arbitrary<Frame> = fc.oneof(segmentFrame, lossFrame);
