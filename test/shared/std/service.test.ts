import { expect, test } from 'vitest';
import { silentLog } from '#shared/std/log.ts';
import { runService, type Service } from '#shared/std/service.ts';
import type { Notifier } from '#shared/std/systemd.ts';
import { MachineClock, VirtualTime } from '../../sim/virtual-clock.ts';
import { capturedIo } from './captured-io.ts';

function world(over: Partial<Service> = {}, watchdogMs: number | null = null) {
  const time = new VirtualTime();
  const io = capturedIo({ clock: new MachineClock(time, 0) });
  const told: string[] = [];
  const notifier: Notifier = {
    watchdogMs,
    ready: () => told.push('ready'),
    status: () => {},
    reloading: () => told.push('reloading'),
    stopping: () => told.push('stopping'),
    watchdog: () => told.push('watchdog'),
    extendTimeout: () => {},
  };
  const service: Service = {
    ready: { status: 'http://127.0.0.1:1' },
    prove: async () => {},
    stop: async () => void told.push('stopped'),
    ...over,
  };
  const pass = async (ms: number) => {
    const until = time.now + ms;
    while (time.step(until)) await turn();
    await turn();
  };
  return { io, told, notifier, service, pass, log: silentLog };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('it says once that it is ready, and stops in order at the first signal', async () => {
  const { service, told, ...rest } = world();
  const code = runService({ ...rest, start: async () => service });
  await turn();
  expect(rest.io.output()).toBe('{"ready":true,"status":"http://127.0.0.1:1"}\n');
  rest.io.signal('SIGTERM');
  expect(await code).toBe(0);
  expect(told).toEqual(['ready', 'stopping', 'stopped']);
});

test('a second signal does not wait, but the same key press twice does', async () => {
  const { service, told, pass, ...rest } = world({ stop: () => new Promise(() => {}) });
  const code = runService({ ...rest, start: async () => service });
  await turn();
  rest.io.signal('SIGINT');
  rest.io.signal('SIGINT');
  await pass(400);
  rest.io.signal('SIGTERM');
  await pass(200);
  rest.io.signal('SIGINT');
  expect(await code).toBe(1);
  expect(told).toEqual(['ready', 'stopping']);
});

test('a signal while it starts stops it without ever saying ready', async () => {
  const { service, told, ...rest } = world();
  const started = Promise.withResolvers<Service>();
  const code = runService({ ...rest, start: () => started.promise });
  rest.io.signal('SIGTERM');
  started.resolve(service);
  expect(await code).toBe(0);
  expect(rest.io.output()).toBe('');
  expect(told).toEqual(['stopping', 'stopped']);
});

test('a start that fails is passed on', async () => {
  const { io, log, notifier } = world();
  const start = async () => {
    throw new Error('taken');
  };
  await expect(runService({ io, log, notifier, start })).rejects.toThrow('taken');
});

test('SIGHUP looks at the settings where it may, and stops where it may not', async () => {
  const { service, told, ...rest } = world();
  const reload = () => void told.push('looked');
  const code = runService({ ...rest, reload, start: async () => service });
  await turn();
  rest.io.signal('SIGHUP');
  expect(told).toEqual(['ready', 'reloading', 'looked', 'ready']);
  rest.io.signal('SIGTERM');
  expect(await code).toBe(0);

  const second = world();
  const ended = runService({ ...second, start: async () => second.service });
  await turn();
  second.io.signal('SIGHUP');
  expect(await ended).toBe(0);
});

test('the watchdog is fed only while the service proves to work', async () => {
  let works = true;
  const prove = async () => {
    if (!works) throw new Error('hangs');
  };
  const { service, told, pass, ...rest } = world({ prove }, 1_000);
  const code = runService({ ...rest, start: async () => service });
  await turn();
  await pass(2_000);
  expect(told).toEqual(['ready', 'watchdog', 'watchdog']);
  works = false;
  await pass(3_000);
  expect(told).toHaveLength(3);
  rest.io.signal('SIGTERM');
  expect(await code).toBe(0);
  await pass(3_000);
  expect(told).toEqual(['ready', 'watchdog', 'watchdog', 'stopping', 'stopped']);
});
