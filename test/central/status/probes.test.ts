import { expect, test } from 'vitest';
import { edgeView, fakeStatus } from './fakes.ts';

test('central is ready when its landing can write, whatever its sites do', async () => {
  const { fleet, get } = fakeStatus();
  fleet.views = [edgeView('factory-a', { state: 'offline' })];
  for (const path of ['/healthz', '/readyz', '/livez']) {
    expect((await get(path)).status).toBe(200);
  }
});

test('a landing that cannot write makes it unready, not dead', async () => {
  const { get } = fakeStatus({ probe: () => Promise.reject(new Error('disk is full')) });
  const ready = await get('/readyz');
  expect(ready.status).toBe(503);
  expect(ready.body.checks.landing).toEqual({ ok: false, message: 'disk is full' });
  expect((await get('/healthz')).status).toBe(503);
  expect((await get('/livez')).status).toBe(200);
});

test('a landing that hangs is found out', async () => {
  const { get, pass } = fakeStatus({ probe: () => new Promise(() => {}) });
  const asked = get('/readyz');
  await new Promise((resolve) => setImmediate(resolve));
  pass(5_000);
  expect((await asked).body.checks.landing.message).toContain('did not answer');
});

test('many probes at once cost one write', async () => {
  let probes = 0;
  const { get, pass } = fakeStatus({ probe: async () => void probes++ });
  await Promise.all(Array.from({ length: 50 }, () => get('/readyz')));
  expect(probes).toBe(1);
  pass(1_000);
  await get('/readyz');
  expect(probes).toBe(2);
});
