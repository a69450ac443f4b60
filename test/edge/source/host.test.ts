import { rmSync } from 'node:fs';
import { afterEach, expect, test, vi } from 'vitest';
import { DeliverError } from '#edge/deliver-error.ts';
import { openHostSource } from '#edge/source/host.ts';
import type { HostSettings } from '#edge/source/host-settings.ts';
import { openHostTree } from '#edge/source/host-tree.ts';
import { systemClock } from '#shared/std/clock.ts';
import { MachineClock, VirtualTime } from '../../sim/virtual-clock.ts';
import { changeTree, gateway, writeTree } from './recorded-host.ts';
import { RecordingContext } from './recording-context.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

const at = Date.UTC(2026, 10, 21, 8, 30);

/** A source on a recorded machine, with time that moves only by `pass`. */
function open(files = gateway, settings: Partial<HostSettings> = {}) {
  const root = writeTree(files);
  cleanups.push(() => rmSync(root, { recursive: true }));
  const time = new VirtualTime();
  const clock = new MachineClock(time, at);
  const context = new RecordingContext();
  const source = openHostSource(
    { type: 'host', name: 'host', topic: 'host-metrics', intervalMs: 10_000, ...settings },
    context,
    { clock, tree: openHostTree(root) },
  );
  const pass = (ms: number) => {
    const until = time.now + ms;
    while (time.step(until));
  };
  cleanups.push(() => source.stop());
  return { root, context, source, pass };
}

/** Waits until `count` deliveries are kept. */
const delivered = (context: RecordingContext, count: number) =>
  vi.waitFor(() => expect(context.deliveries).toHaveLength(count), { interval: 1 });

const valuesOf = (context: RecordingContext, delivery: number) =>
  Object.fromEntries(
    context.deliveries[delivery]!.records.map(({ key, value }) => [
      key!.toString(),
      JSON.parse(value!.toString()),
    ]),
  );

test('the first reading comes at once, in one delivery, without rates', async () => {
  const { context, source } = open();
  await source.start();
  await delivered(context, 1);
  const values = valuesOf(context, 0);
  expect(Object.keys(values)).toEqual([
    'cpu',
    'uptime',
    'memory',
    'swap',
    'disk:/',
    'disk:/boot/firmware',
    'disk:/media/usb stick',
    'disk-io:mmcblk0',
    'disk-io:sda',
    'network:eth0',
    'temperature:cpu-thermal',
    'temperature:coretemp Core 0',
    'temperature:coretemp Core 8',
    'temperature:nvme temp1',
    'temperature:nvme temp1#2',
    'pressure:cpu',
    'pressure:io',
  ]);
  expect(values.cpu).toEqual({
    kind: 'cpu',
    at: '2026-11-21T08:30:00.000Z',
    cores: 2,
    load1: 0.52,
    load5: 0.58,
    load15: 0.59,
  });
  expect(JSON.stringify(values)).not.toContain('PerSecond');
  expect(context.deliveries[0]).toMatchObject({ topic: 'host-metrics' });
  expect(context.records.every(({ timestamp }) => timestamp === at)).toBe(true);
  expect(source.state()).toMatchObject({ state: 'running', acceptedRecords: 17 });
});

test('readings are in base units', async () => {
  const { context, source } = open();
  await source.start();
  await delivered(context, 1);
  const values = valuesOf(context, 0);
  expect(values.memory).toMatchObject({
    totalBytes: 3884380 * 1024,
    usedBytes: 1_000_000 * 1024,
    usedRatio: 0.2574,
  });
  expect(values.swap).toMatchObject({ totalBytes: 102396 * 1024, usedBytes: 2396 * 1024 });
  expect(values.uptime).toMatchObject({ uptimeSeconds: 350735.47 });
  expect(values['temperature:cpu-thermal']).toMatchObject({ temperatureCelsius: 48.312 });
  expect(values['temperature:coretemp Core 0']).toMatchObject({ temperatureCelsius: -5.5 });
  expect(values['pressure:cpu']).toMatchObject({
    some10sRatio: 0.0123,
    some300sRatio: 0.125,
    someStalledSeconds: 79.424,
    full10sRatio: 0,
  });
  expect(values['pressure:io']).not.toHaveProperty('full10sRatio');
  const disk = values['disk:/'];
  expect(disk).toMatchObject({ device: '/dev/root', mount: '/', filesystem: 'ext4' });
  expect(disk.usedBytes + disk.availableBytes).toBeLessThanOrEqual(disk.totalBytes);
});

test('rates are what moved since the last reading, by the clock that never jumps', async () => {
  const { root, context, source, pass } = open();
  await source.start();
  await delivered(context, 1);
  changeTree(root, {
    'proc/stat': 'cpu  10600 100 2200 81000 499 10 190 100 0 0\ncpu0 1\ncpu1 1\n',
    'proc/diskstats':
      ' 179 0 mmcblk0 1100 10 20800 500 2050 20 40200 900 0 3900 1400\n 8 0 sda 5 0 40 5 0 0 0 0 0 5 5\n',
    'proc/self/net/dev':
      'eth0: 2000000 2000 1 2 0 0 0 0 550000 900 3 4 0 0 0 0\nusb0: 5 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0\n',
  });
  pass(10_000);
  await delivered(context, 2);
  const values = valuesOf(context, 1);
  expect(values.cpu).toMatchObject({
    utilisationRatio: 0.5,
    userRatio: 0.3,
    systemRatio: 0.15,
    iowaitRatio: 0,
    stealRatio: 0.05,
  });
  expect(values['disk-io:mmcblk0']).toMatchObject({
    readsPerSecond: 10,
    readBytesPerSecond: 40_960,
    writesPerSecond: 5,
    writtenBytesPerSecond: 10_240,
    busyRatio: 0.25,
  });
  expect(values['network:eth0']).toEqual({
    kind: 'network',
    at: '2026-11-21T08:30:10.000Z',
    interface: 'eth0',
    state: 'up',
    receivedBytes: 2_000_000,
    sentBytes: 550_000,
    receiveErrors: 1,
    sendErrors: 3,
    receiveDrops: 2,
    sendDrops: 4,
    receivedBytesPerSecond: 100_000,
    sentBytesPerSecond: 5_000,
    receivedPacketsPerSecond: 100,
    sentPacketsPerSecond: 10,
  });
  expect(values['network:usb0']).not.toHaveProperty('receivedBytesPerSecond');
});

test('a counter that went back has no rate, never a negative one', async () => {
  const { root, context, source, pass } = open();
  await source.start();
  await delivered(context, 1);
  changeTree(root, {
    'proc/self/net/dev': 'eth0: 10 1 0 0 0 0 0 0 10 1 0 0 0 0 0 0\n',
  });
  pass(10_000);
  await delivered(context, 2);
  const network = valuesOf(context, 1)['network:eth0'];
  expect(network.receivedBytes).toBe(10);
  expect(network).not.toHaveProperty('receivedBytesPerSecond');
});

test.each(Object.keys(gateway))('a machine without %s loses that reading only', async (missing) => {
  const { [missing]: _, ...rest } = gateway;
  const { context, source } = open(rest);
  await source.start();
  await delivered(context, 1);
  expect(context.records.length).toBeGreaterThanOrEqual(14);
  expect(source.state().state).toBe('running');
});

test.each(Object.keys(gateway))('nonsense in %s is no error and no NaN', async (path) => {
  const { context, source } = open({ ...gateway, [path]: 'x y z\n: : :\n-1 cpu \\999\n' });
  await source.start();
  await delivered(context, 1);
  expect(context.texts.join()).not.toMatch(/NaN|null|undefined|Infinity/);
});

test('a machine that shows nothing at all is said to be so', async () => {
  const { context, source } = open({});
  await source.start();
  await vi.waitFor(() =>
    expect(source.state()).toMatchObject({
      state: 'degraded',
      detail: expect.stringContaining('nothing can be read below /proc and /sys'),
    }),
  );
  expect(context.deliveries).toEqual([]);
});

test('a tick waits for a blocked buffer; later ones are skipped, counted, and it goes on', async () => {
  const { context, source, pass } = open();
  const room = Promise.withResolvers<void>();
  context.gate = room.promise;
  await source.start();
  pass(30_000);
  expect(source.state()).toMatchObject({
    state: 'degraded',
    detail: expect.stringContaining('3 skipped'),
  });
  room.resolve();
  await delivered(context, 1);
  await vi.waitFor(() => expect(source.state().state).toBe('running'));
  pass(10_000);
  await delivered(context, 2);
  expect(source.state().detail).toBe('17 readings every 10 s; 3 skipped');
});

test('a reading that the disk refuses is counted, and the next one is taken', async () => {
  const { context, source, pass } = open();
  context.failure = new DeliverError('disk-full', 'the disk is full');
  await source.start();
  await vi.waitFor(() => expect(source.state().detail).toContain('1 skipped; the disk is full'));
  context.failure = undefined;
  pass(10_000);
  await delivered(context, 1);
  expect(source.state().state).toBe('running');
});

test('stop takes no more readings, waits for the last, but not for ever', async () => {
  const { context, source, pass } = open();
  await source.start();
  await delivered(context, 1);
  await source.stop();
  pass(60_000);
  expect(context.deliveries).toHaveLength(1);
  expect(source.state().state).toBe('stopped');

  const blocked = open();
  const room = Promise.withResolvers<void>();
  blocked.context.gate = room.promise;
  await blocked.source.start();
  const stopped = blocked.source.stop();
  blocked.pass(2_000);
  await stopped;
  room.resolve();
});

test('this machine gives real readings', async () => {
  const context = new RecordingContext();
  const source = openHostSource({ type: 'host', name: 'host' }, context, { clock: systemClock });
  await source.start();
  await delivered(context, 1);
  await source.stop();
  const { cpu, memory } = valuesOf(context, 0);
  expect(cpu.cores).toBeGreaterThan(0);
  expect(memory.totalBytes).toBeGreaterThan(memory.availableBytes);
});
