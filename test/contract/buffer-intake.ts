import { expect, test } from 'vitest';
import { partitionOf } from '#shared/wire/murmur2.ts';
import { provenanceHeaders } from '#shared/wire/record.ts';
import { openBatch } from '#shared/wire/record-batch.ts';
import {
  type BufferContext,
  delivery,
  readAll,
  record,
  recordsOf,
  segments,
  stream,
  values,
} from './buffer.ts';

/** What sources hand over. */
export function describeIntake(context: BufferContext): void {
  test('a record comes back byte for byte', async () => {
    const { buffer } = context;
    const records = [
      record('', { key: Buffer.alloc(0), value: null }),
      record('x', { key: Buffer.from([0, 255, 128]), value: Buffer.from([1, 2, 0, 254]) }),
      record('y', {
        headers: [
          ['a', Buffer.from('1')],
          ['a', null],
          ['ü', Buffer.alloc(0)],
        ],
        timestamp: -1,
      }),
    ];
    const delivered = await buffer.append({ topic: 't', records });
    expect(delivered).toEqual({ accepted: 3, declaredLost: 0, duplicate: false });
    expect(recordsOf(await readAll(buffer))).toEqual(records);
  });

  test('a segment says where its records come from', async () => {
    const { buffer } = context;
    await buffer.append(delivery('t', 'a'));
    await buffer.append(delivery('t', 'b'));
    const second = segments(await readAll(buffer)).at(-1)!;
    const named = new Map(
      openBatch(second.batch)
        .at(-1)!
        .headers.map(([k, v]) => [k, String(v)]),
    );
    expect(named.get(provenanceHeaders.alias)).toBe('factory-a');
    expect(named.get(provenanceHeaders.topic)).toBe('t');
    expect(named.get(provenanceHeaders.epoch)).toBe(buffer.identity.epoch);
    expect(named.get(provenanceHeaders.sequence)).toBe('1');
  });

  test('the same key goes to the same partition, records without one take turns', async () => {
    await context.restart({ topics: new Map([['*', { partitions: 4 }]]) });
    const { buffer } = context;
    const keys = Array.from({ length: 20 }, (_, i) => Buffer.from(`machine-${i}`));
    await buffer.append({ topic: 't', records: keys.map((key) => record(String(key), { key })) });
    for (const frame of segments(await readAll(buffer))) {
      expect(frame.partitionCount).toBe(4);
      for (const { key } of openBatch(frame.batch)) {
        expect(partitionOf(key!, 4)).toBe(frame.partition);
      }
    }
    for (let i = 0; i < 8; i++) await buffer.append(delivery('u', String(i)));
    const used = segments(await readAll(buffer)).filter(({ topic }) => topic === 'u');
    expect(new Set(used.map(({ partition }) => partition)).size).toBe(4);
  });

  test('a source may name the partition', async () => {
    const { buffer } = context;
    await buffer.append({ topic: 't', records: [{ ...record('a'), partition: 7 }] });
    expect(await readAll(buffer)).toMatchObject([{ partition: 7, partitionCount: 8 }]);
  });

  test('what was accepted is there after a restart, and after a crash', async () => {
    for (const value of ['a', 'b', 'c']) await context.buffer.append(delivery('t', value));
    const { epoch, session } = context.buffer.identity;
    await context.crash();
    expect(values(await readAll(context.buffer))).toEqual(['a', 'b', 'c']);
    await context.buffer.append(delivery('t', 'd'));
    await context.reopen();
    expect(values(await readAll(context.buffer))).toEqual(['a', 'b', 'c', 'd']);
    expect(context.buffer.identity.epoch).toBe(epoch);
    expect(context.buffer.identity.session).not.toBe(session);
    expect(await context.buffer.helloStreams()).toMatchObject([{ head: 3, cursor: -1 }]);
  });

  test('an acknowledgement survives an orderly restart', async () => {
    await context.buffer.append(delivery('t', 'a', 'b'));
    await context.buffer.acknowledge([{ ...stream(context.buffer, 't'), through: 0 }]);
    await context.reopen();
    expect(values(await readAll(context.buffer))).toEqual(['b']);
  });

  test('positions are committed with their records and found by their beginning', async () => {
    const { buffer } = context;
    const set = new Map([
      ['mqtt:a/1', Buffer.from('one')],
      ['mqtt:a/2', Buffer.from([0, 255])],
      ['mqtt:ab/1', Buffer.from('other')],
    ]);
    await buffer.append({ ...delivery('t', 'x'), positions: { set } });
    await buffer.append({
      ...{ topic: 't', records: [] },
      positions: { delete: ['mqtt:a/1'], set: new Map([['mqtt:a/3', Buffer.from('three')]]) },
    });
    const found = await buffer.positions('mqtt:a/');
    expect([...found]).toEqual([
      ['mqtt:a/2', Buffer.from([0, 255])],
      ['mqtt:a/3', Buffer.from('three')],
    ]);
    await context.crash();
    expect((await context.buffer.positions('mqtt:')).size).toBe(3);
    await expect(
      context.buffer.append({
        ...delivery('no good topic', 'x'),
        positions: { delete: ['mqtt:a/2'] },
      }),
    ).rejects.toMatchObject({ code: 'bad-topic' });
    expect((await context.buffer.positions('mqtt:a/2')).size).toBe(1);
  });

  test('the same idempotency key is appended once, also over a restart', async () => {
    const twice = { ...delivery('t', 'a', 'b'), idempotencyKey: 'k' };
    const [first, second] = await Promise.all([
      context.buffer.append(twice),
      context.buffer.append(twice),
    ]);
    expect([first.duplicate, second.duplicate].sort()).toEqual([false, true]);
    expect(second.accepted).toBe(2);
    await context.crash();
    expect(await context.buffer.append(twice)).toMatchObject({ accepted: 2, duplicate: true });
    expect(values(await readAll(context.buffer))).toEqual(['a', 'b']);
    const elsewhere = { ...twice, topic: 'other' };
    expect(await context.buffer.append(elsewhere)).toMatchObject({ duplicate: false });
  });

  test.each(['', 'no good', '..', 'x'.repeat(250), 'tributary.losses', 'heartbeats'])(
    'topic "%s" is refused, and nothing of it is kept',
    async (topic) => {
      const { buffer } = context;
      const refused = buffer.append({
        ...delivery(topic, 'x'),
        positions: { set: new Map([['s/1', Buffer.from('1')]]) },
      });
      await expect(refused).rejects.toMatchObject({ code: 'bad-topic', canRetry: false });
      expect(await readAll(buffer)).toEqual([]);
      expect((await buffer.positions('s/')).size).toBe(0);
    },
  );

  test('many deliveries at once keep their order', async () => {
    const { buffer } = context;
    const all = Array.from({ length: 500 }, (_, i) => String(i));
    await Promise.all(all.map((value) => buffer.append(delivery('t', value))));
    expect(values(await readAll(buffer))).toEqual(all);
  });

  test('a delivery larger than a segment becomes several', async () => {
    const { buffer } = context;
    const all = Array.from({ length: 4 }, (_, i) => String(i).repeat(400_000));
    await buffer.append(delivery('t', ...all));
    const frames = await readAll(buffer, 4_000_000);
    expect(frames.length).toBeGreaterThan(1);
    expect(values(frames)).toEqual(all);
  });
}
