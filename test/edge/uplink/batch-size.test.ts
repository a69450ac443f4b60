import { expect, test } from 'vitest';
import { BatchSize } from '#edge/uplink/batch-size.ts';

const KiB = 1024;
const make = () =>
  new BatchSize({
    min: 16 * KiB,
    max: 8192 * KiB,
    start: 256 * KiB,
    targetMs: 1000,
    patienceMs: 10_000,
  });

/** A link that carries `bytesPerMs`. */
const carry = (size: BatchSize, bytesPerMs: number, requests: number) => {
  for (let i = 0; i < requests; i++) size.succeeded(size.target, size.target / bytesPerMs);
};

test('a fast link gets requests as large as central allows', () => {
  const size = make();
  carry(size, 50_000, 10);
  expect(size.target).toBe(8192 * KiB);
  expect(size.slow).toBe(false);
});

test('a slow link gets requests of about a second', () => {
  const size = make();
  carry(size, 50, 10);
  expect(size.target).toBeGreaterThan(25_000);
  expect(size.target).toBeLessThan(100_000);
  expect(size.slow).toBe(true);
});

test('failures halve the request, down to a floor', () => {
  const size = make();
  for (let i = 0; i < 20; i++) size.failed();
  expect(size.target).toBe(16 * KiB);
});

test('a link that recovers gets large requests again', () => {
  const size = make();
  for (let i = 0; i < 20; i++) size.failed();
  carry(size, 50_000, 30);
  expect(size.target).toBe(8192 * KiB);
});

test('a small request on a fast link does not make it look slow', () => {
  const size = make();
  carry(size, 50_000, 10);
  for (let i = 0; i < 50; i++) size.succeeded(200, 30);
  expect(size.target).toBe(8192 * KiB);
});

test('patience grows with the bytes on a slow link, and never falls under the set one', () => {
  const size = make();
  expect(size.timeoutFor(1)).toBe(10_000);
  carry(size, 10, 5);
  expect(size.timeoutFor(100_000)).toBeGreaterThanOrEqual(10_000 + 100_000 / 10);
});

test("central's limit binds at once", () => {
  const size = make();
  carry(size, 50_000, 10);
  size.limit(100 * KiB);
  expect(size.target).toBe(100 * KiB);
});

test('a long outage does not make the next request wait for ever', () => {
  const size = make();
  carry(size, 50_000, 10);
  for (let i = 0; i < 10_000; i++) size.failed();
  expect(size.timeoutFor(size.target)).toBeLessThan(15_000);
});
