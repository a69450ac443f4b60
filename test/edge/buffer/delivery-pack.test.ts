import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DeliveryPacker, unpackDeliveries } from '#edge/buffer/delivery-pack.ts';
import type { Delivery } from '#edge/source/source.ts';

const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
const text = fc.string({ maxLength: 20 });
const record = fc.record(
  {
    key: fc.option(bytes),
    value: fc.option(bytes),
    headers: fc.array(fc.tuple(text, fc.option(bytes)), { maxLength: 3 }),
    timestamp: fc.oneof(fc.integer(), fc.double()),
    partition: fc.integer(),
    sourceOffset: fc.maxSafeNat(),
  },
  { requiredKeys: ['key', 'value', 'headers', 'timestamp'] },
);
const run = fc.record({
  bytes,
  count: fc.nat(),
  baseTimestamp: fc.integer(),
  timestamp: fc.option(fc.integer()),
  baseOffset: fc.maxSafeNat(),
});
const delivery = fc.record(
  {
    topic: text,
    records: fc.array(record, { maxLength: 5 }),
    positions: fc.record({
      set: fc.array(fc.tuple(text, bytes), { minLength: 1, maxLength: 3 }).map((e) => new Map(e)),
      delete: fc.array(text, { maxLength: 3 }),
    }),
    idempotencyKey: text,
    whenFull: fc.constantFrom('wait' as const, 'refuse' as const),
    sourceLoss: fc.record(
      { records: fc.nat(), detail: text, partition: fc.nat() },
      { requiredKeys: ['records', 'detail'] },
    ),
    incarnation: text,
    partitions: fc.integer({ min: 1 }),
    runs: fc.record({ partition: fc.nat(), runs: fc.array(run, { minLength: 1, maxLength: 3 }) }),
  },
  { requiredKeys: ['topic', 'records', 'whenFull'] },
);

/** A source offset means nothing without the life that it belongs to. */
const withoutPlaces = (one: Delivery): Delivery =>
  one.incarnation === undefined
    ? { ...one, records: one.records.map(({ sourceOffset, ...record }) => record) }
    : one;

test('what goes to the worker arrives as it was', () => {
  const packer = new DeliveryPacker();
  const property = fc.property(fc.array(delivery, { maxLength: 5 }), (deliveries) => {
    for (const each of deliveries) packer.add(each);
    const packed = packer.take();
    expect(packed.count).toBe(deliveries.length);
    expect(unpackDeliveries(packed)).toEqual(deliveries.map(withoutPlaces));
  });
  fc.assert(property, { numRuns: 300 });
});

test('a packer begins anew after it was taken from', () => {
  const packer = new DeliveryPacker();
  const large = { topic: 't', records: [], idempotencyKey: 'k'.repeat(300_000) };
  packer.add(large);
  const packed = packer.take();
  packer.add({ topic: 'u', records: [] });
  expect(unpackDeliveries(packed)[0]!.idempotencyKey).toHaveLength(300_000);
  expect(unpackDeliveries(packer.take())).toEqual([{ topic: 'u', records: [], whenFull: 'wait' }]);
});

test('memory that came back is used again, and holds nothing of what it held', () => {
  const packer = new DeliveryPacker();
  packer.add({ topic: 't'.repeat(5_000), records: [], idempotencyKey: 'before' });
  const first = packer.take();
  packer.giveBack(first);
  packer.take();
  packer.add({ topic: 'u', records: [] });
  const second = packer.take();
  expect(second.bytes.buffer).toBe(first.bytes.buffer);
  expect(unpackDeliveries(second)).toEqual([{ topic: 'u', records: [], whenFull: 'wait' }]);
});
