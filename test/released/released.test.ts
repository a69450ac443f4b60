import { readFileSync } from 'node:fs';
import SqliteDatabase from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { openEmbeddedLanding } from '#central/landing/embedded.ts';
import { openInlineBuffer } from '#edge/buffer/inline.ts';
import { openBuffer } from '#edge/buffer/thread.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { programVersion } from '#shared/std/program.ts';
import { delivery, expectBalance, losses, readAll, recordsOf, values } from '../contract/buffer.ts';
import { Site } from '../contract/landing-site.ts';
import {
  bufferOptions,
  contents,
  discard,
  landingOptions,
  makeNewer,
  released,
  unpack,
} from './files.ts';

/** Files of every version that was released are read by this one, and newer ones left alone. */

const parts = { clock: systemClock, log: silentLog };
const versionOf = (path: string) => {
  const database = new SqliteDatabase(path, { readonly: true });
  const version = database.pragma('user_version', { simple: true });
  database.close();
  return version;
};

test('every released version has left its files here', () => {
  const changes = readFileSync(new URL('../../CHANGELOG.md', import.meta.url), 'utf8');
  const versions = [...changes.matchAll(/^## \[(\d[^\]]*)\]/gm)].map(([, version]) => version!);
  for (const kind of ['edge', 'central'] as const) {
    expect(released(kind)).toEqual(expect.arrayContaining([...versions, programVersion]));
  }
});

describe.each(released('edge'))('a buffer of %s', (version) => {
  test('is read whole, goes on, and is never taken for another', async () => {
    const path = unpack('edge', version);
    // As if no time had passed since: repeats are known for a day.
    const buffer = await openInlineBuffer(bufferOptions(path), {
      clock: { ...systemClock, now: () => 0 },
    });
    const frames = await readAll(buffer);
    expect(values(frames).sort()).toEqual(['four', 'three', 'two']);
    const [first] = recordsOf(frames);
    expect(String(first!.key)).toBe('key 1');
    expect(first!.headers).toEqual([['unit', Buffer.from('C')]]);
    expect(losses(frames)).toMatchObject([{ topic: 'sales' }]);
    expect(buffer.identity.centralId).toBe('c'.repeat(32));
    await expectBalance(buffer, 1);
    // What was delivered before the upgrade is known after it.
    const again = { ...delivery('sensor-data', 'one', 'two', 'three') };
    const key = 'sensor-data-one';
    expect(await buffer.append({ ...again, idempotencyKey: key })).toMatchObject({
      duplicate: true,
    });
    await buffer.append(delivery('sensor-data', 'six'));
    const streams = await buffer.helloStreams();
    expect(streams.find(({ topic }) => topic === 'sensor-data')).toMatchObject({
      ...{ head: 4, cursor: 0 },
    });
    await expectBalance(buffer, 1);
    await buffer.close();
    discard(path);
  });

  test('made newer, is refused with what to do, and not changed by a byte', async () => {
    const path = unpack('edge', version);
    makeNewer(path);
    const before = contents(path);
    await expect(openBuffer(bufferOptions(path), parts)).rejects.toMatchObject({
      code: 'newer-file',
      message: expect.stringMatching(/format 99.*install that version again/s),
    });
    expect(contents(path)).toEqual(before);
    expect(versionOf(path)).toBe(99);
    discard(path);
  });
});

describe.each(released('central'))('a landing of %s', (version) => {
  test('is read whole, and goes on where it stopped', async () => {
    const path = unpack('central', version);
    const landing = await openEmbeddedLanding(landingOptions(path), parts);
    const { records } = (await landing.records('factory-a.readings', 0, 0, 10))!;
    expect(records.map(({ offset }) => offset)).toEqual([0, 1, 2]);
    expect((await landing.records('readings', 0, 0, 10))!.records).toHaveLength(3);
    expect(await landing.losses({ limit: 10 })).toMatchObject([
      { alias: 'factory-a', first: 3, span: 4, reason: 'evicted' },
    ]);
    expect(await landing.registry('enrolment/')).toMatchObject([{ key: 'enrolment/factory-a' }]);
    const site = new Site('factory-a');
    site.skipTo('readings', 7);
    await landing.commit([site.write(systemClock.now(), { segments: [site.segment(2)] })]);
    const checkpoints = await landing.checkpoints({});
    expect(checkpoints.find(({ topic }) => topic === 'readings')).toMatchObject({
      ...{ through: 8, landedRecords: 5, lostRecords: 4 },
    });
    await landing.close();
    discard(path);
  });

  test('made newer, is refused with what to do, and not changed by a byte', async () => {
    const path = unpack('central', version);
    makeNewer(path);
    const before = contents(path);
    await expect(openEmbeddedLanding(landingOptions(path), parts)).rejects.toMatchObject({
      code: 'newer',
      message: expect.stringMatching(/its format is 99.*install that version again/s),
    });
    expect(contents(path)).toEqual(before);
    expect(versionOf(path)).toBe(99);
    discard(path);
  });
});
