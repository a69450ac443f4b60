import { expect, test } from 'vitest';
import { sequenceAfter, stampBatch } from '#shared/kafka/stamped-batch.ts';
import { openBatch, readBatchHeader, sealBatch } from '#shared/wire/record-batch.ts';

const record = (value: string) => ({
  key: null,
  value: Buffer.from(value),
  headers: [],
  timestamp: 1_700_000_000_000,
});
const sealed = (count: number) =>
  sealBatch(
    Array.from({ length: count }, (_, i) => record(`value ${i}`)),
    { compression: 'none' },
  );
const identity = { producerId: 4_000_000_000_123n, epoch: 7 };

test('a stamped batch is the same batch, of that producer and in a transaction', () => {
  const batch = sealed(3);
  const before = Buffer.from(batch);
  const { header, payload, nextSequence } = stampBatch(batch, identity, 40);
  const stamped = Buffer.concat([header, payload]);
  expect(readBatchHeader(stamped)).toMatchObject({
    producerId: identity.producerId,
    producerEpoch: 7,
    baseSequence: 40,
    transactional: true,
    control: false,
    count: 3,
  });
  expect(nextSequence).toBe(43);
  expect(openBatch(stamped)).toEqual(openBatch(batch));
  expect(batch.equals(before)).toBe(true);
});

test('the payload is not copied', () => {
  const batch = sealed(3);
  expect(stampBatch(batch, identity, 0).payload.buffer).toBe(batch.buffer);
});

/** Kafka's own: DefaultRecordBatch.incrementSequence. kafkajs begins anew at 0 (its trap B4). */
test('sequences wrap at 2^31 as the broker counts them', () => {
  expect(sequenceAfter(2 ** 31 - 1, 1)).toBe(0);
  expect(sequenceAfter(2 ** 31 - 3, 2)).toBe(2 ** 31 - 1);
  expect(sequenceAfter(2 ** 31 - 3, 10)).toBe(7);
  const { header, payload, nextSequence } = stampBatch(sealed(5), identity, 2 ** 31 - 2);
  expect(readBatchHeader(Buffer.concat([header, payload])).baseSequence).toBe(2 ** 31 - 2);
  expect(nextSequence).toBe(3);
});

test('what is no sealed batch is not sent', () => {
  const batch = sealed(3);
  const old = Buffer.from(batch);
  old[16] = 1;
  const control = Buffer.from(batch);
  control.writeInt16BE(0x20, 21);
  for (const bytes of [batch.subarray(0, 60), batch.subarray(0, -1), old, control]) {
    expect(() => stampBatch(bytes, identity, 0)).toThrow(
      expect.objectContaining({ code: 'invalid' }),
    );
  }
});
