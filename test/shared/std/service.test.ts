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
    ready: (status) => told.push('ready', ...(status === 'all is well' ? [] : [status])),
    status: () => {},
    reloading: () => told.push('reloading'),
    stopping: () => told.push('stopping'),
    watchdog: () => told.push('watchdog'),
    extendTimeout: () => {},
  };
  const service: Service = {
    ready: { status: 'http://127.0.0.1:1' },
    prove: async () => 'all is well',
    stop: async () => void told.push('stopped'),
    ...over,
  };
  const pass = async (ms: number) => {
    const until = time.now + ms;
    while (time.step(until)) await turn();
    await turn();
  };
  return { io, told, notifier, service, pass, log: silentLog, settings: 1 };
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

test('a signal while it starts ends the waiting of the start, and is no failure', async () => {
  const { service: _, told, ...rest } = world();
  const code = runService({
    ...rest,
    start: (_settings, stopping) =>
      new Promise<never>((_resolve, reject) => {
        stopping.addEventListener('abort', () => reject(new Error('told to stop')));
      }),
  });
  rest.io.signal('SIGTERM');
  expect(await code).toBe(0);
  expect(rest.io.output()).toBe('');
  expect(told).toEqual([]);
});

test('a start that fails is passed on', async () => {
  const { io, log, notifier } = world();
  const start = async () => {
    throw new Error('taken');
  };
  await expect(runService({ io, log, notifier, start, settings: 1 })).rejects.toThrow('taken');
});

test('SIGHUP puts a service with the new settings in the place of the old, in order', async () => {
  const { service, told, ...rest } = world();
  let settings = 1;
  const start = async (given: number) => {
    told.push(`started ${given}`);
    return { ...service, stop: async () => void told.push(`stopped ${given}`) };
  };
  const code = runService({ ...rest, reload: () => ++settings, start });
  await turn();
  rest.io.signal('SIGHUP');
  await turn();
  expect(told).toEqual(['started 1', 'ready', 'reloading', 'stopped 1', 'started 2', 'ready']);
  rest.io.signal('SIGTERM');
  expect(await code).toBe(0);
  expect(told.slice(6)).toEqual(['stopping', 'stopped 2']);
});

test('bad settings leave the running service alone', async () => {
  const { service, told, ...rest } = world();
  const reload = () => {
    throw new Error('no alias');
  };
  const code = runService({ ...rest, reload, start: async () => service });
  await turn();
  rest.io.signal('SIGHUP');
  await turn();
  expect(told).toEqual(['ready', 'reloading', 'ready']);
  rest.io.signal('SIGTERM');
  expect(await code).toBe(0);
});

test('settings that do not start give way to the old ones; when these fail too, it ends', async () => {
  const { service, told, ...rest } = world();
  let broken: number[] = [2];
  let settings = 1;
  const start = async (given: number) => {
    if (broken.includes(given)) throw new Error(`${given} is taken`);
    told.push(`started ${given}`);
    return service;
  };
  const code = runService({ ...rest, reload: () => ++settings, start });
  code.catch(() => {});
  await turn();
  rest.io.signal('SIGHUP');
  await turn();
  expect(told).toEqual(['started 1', 'ready', 'reloading', 'stopped', 'started 1', 'ready']);
  broken = [1, 3];
  rest.io.signal('SIGHUP');
  await expect(code).rejects.toThrow('1 is taken');
});

test('a stop waits for the reload under way and stops what it started', async () => {
  const { service, told, ...rest } = world();
  const second = Promise.withResolvers<Service>();
  const start = (given: number) => (given === 1 ? Promise.resolve(service) : second.promise);
  const code = runService({ ...rest, reload: () => 2, start });
  await turn();
  rest.io.signal('SIGHUP');
  rest.io.signal('SIGTERM');
  await turn();
  second.resolve({ ...service, stop: async () => void told.push('stopped the second') });
  expect(await code).toBe(0);
  expect(told.at(-1)).toBe('stopped the second');
});

test('SIGHUP stops it where there is nothing to reload for', async () => {
  const { service, ...rest } = world();
  const ended = runService({ ...rest, start: async () => service });
  await turn();
  rest.io.signal('SIGHUP');
  expect(await ended).toBe(0);
});

test('the watchdog is fed only while the service proves to work', async () => {
  let works = true;
  const prove = async () => {
    if (!works) throw new Error('hangs');
    return 'all is well';
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

test('it stops when whoever started it is gone, where it was asked to', async () => {
  const { service, told, ...rest } = world();
  const code = runService({ ...rest, stopWithInput: true, start: async () => service });
  // The input of this world is empty: it ends as soon as it is read.
  expect(await code).toBe(0);
  expect(told.slice(-2)).toEqual(['stopping', 'stopped']);
});

test('a service that says it is outdated starts anew with settings read again, and only once', async () => {
  const { service, told, ...rest } = world();
  const outdated = Promise.withResolvers<string>();
  const start = async (given: number) => {
    told.push(`started ${given}`);
    const stop = async () => void told.push(`stopped ${given}`);
    return { ...service, stop, ...(given === 1 && { outdated: outdated.promise }) };
  };
  const code = runService({ ...rest, reread: () => 2, start });
  await turn();
  outdated.resolve('it has joined');
  await turn();
  expect(told).toEqual(['started 1', 'ready', 'reloading', 'stopped 1', 'started 2', 'ready']);
  // Without `reload` a SIGHUP still ends it.
  rest.io.signal('SIGHUP');
  expect(await code).toBe(0);
});
