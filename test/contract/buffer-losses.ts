import { expect, test } from 'vitest';
import { limits } from '#shared/wire/limits.ts';
import {
  type BufferContext,
  delivery,
  expectBalance,
  losses,
  readAll,
  record,
  stream,
  values,
} from './buffer.ts';

/** Nothing is lost silently. */
export function describeLosses(context: BufferContext): void {
  test('a record that cannot be kept becomes a loss in its place', async () => {
    const { buffer } = context;
    const records = [
      record('a'),
      record('', { value: Buffer.alloc(limits.recordBytes + 1) }),
      record('b'),
      record('c', { headers: [['tributary.alias', Buffer.from('x')]] }),
      { ...record('d'), partition: -3 },
    ];
    const delivered = await buffer.append({ topic: 't', records });
    expect(delivered).toEqual({ accepted: 2, declaredLost: 3, duplicate: false });
    const frames = await readAll(buffer);
    expect(values(frames)).toEqual(['a', 'b']);
    expect(losses(frames).map(({ loss }) => [loss.first, loss.span, loss.reason])).toEqual([
      [1, 1, 'too-large'],
      [3, 1, 'bad-record'],
      [4, 1, 'bad-record'],
    ]);
    const { totals } = await buffer.report(0, 10);
    expect(totals).toMatchObject({ acceptedRecords: 5, backlogRecords: 2, lostRecords: 3 });
    expect(totals.lossesPending).toBe(3);
    expect(losses(frames)[1]!.loss.detail).toContain('tributary.alias');
    await expectBalance(buffer, 0);
  });

  test('a loss lands by being acknowledged, and stays on the ledger', async () => {
    const { buffer } = context;
    await buffer.append({ topic: 't', records: [record('a'), { ...record('b'), partition: 1.5 }] });
    await readAll(buffer);
    await buffer.acknowledge([{ ...stream(buffer, 't'), through: 1 }]);
    expect(await buffer.losses(10)).toMatchObject([
      { topic: 't', first: 1, span: 1, reason: 'bad-record', landed: true },
    ]);
    const { totals } = await buffer.report(0, 10);
    expect(totals).toMatchObject({ lossesPending: 0, lostRecords: 1, backlogRecords: 0 });
    await expectBalance(buffer, 1);
  });

  test('what a source lost is declared, outside the equation', async () => {
    const { buffer } = context;
    await buffer.append({
      ...delivery('t', 'a'),
      sourceLoss: { records: 17, detail: 'retention of the broker' },
    });
    await buffer.append({ topic: 't', records: [], sourceLoss: { records: 0, detail: 'no idea' } });
    const found = losses(await readAll(buffer)).map(({ loss }) => loss);
    expect(found).toMatchObject([
      { first: 1, span: 1, records: 17, scope: 'source', reason: 'source-gap' },
      { first: 2, span: 1, records: 0, scope: 'source' },
    ]);
    const { totals } = await buffer.report(0, 10);
    expect(totals).toMatchObject({ acceptedRecords: 1, backlogRecords: 1, lostRecords: 0 });
    await buffer.acknowledge([{ ...stream(buffer, 't'), through: 2 }]);
    await expectBalance(buffer, 1);
  });

  test('a refused segment is quarantined and a loss takes its place', async () => {
    const { buffer } = context;
    await buffer.append(delivery('t', 'a', 'b'));
    await buffer.append(delivery('t', 'c'));
    await readAll(buffer);
    const id = stream(buffer, 't');
    await buffer.refuse(id, 0, 'bad-crc', 'the checksum is wrong');
    await buffer.refuse(id, 0, 'bad-crc', 'again');
    await buffer.refuse(id, 1, 'bad-crc', 'inside');
    const frames = await readAll(buffer);
    expect(values(frames)).toEqual(['c']);
    expect(losses(frames)[0]!.loss).toMatchObject({
      ...{ first: 0, span: 2, records: 2, reason: 'refused' },
      detail: 'bad-crc: the checksum is wrong',
    });
    expect((await buffer.report(0, 10)).quarantined).toBe(1);
    await expectBalance(buffer, 0);
  });

  test('records that had landed after all are taken off a loss, once', async () => {
    const { buffer } = context;
    await buffer.append(delivery('t', 'a', 'b', 'c'));
    const id = stream(buffer, 't');
    await buffer.refuse(id, 0, 'bad-crc', 'x');
    await readAll(buffer);
    await buffer.clip(id, 0, 2);
    await buffer.clip(id, 0, 2);
    const { totals } = await buffer.report(0, 10);
    expect(totals).toMatchObject({ acceptedRecords: 3, lostRecords: 1, lossesPending: 0 });
    expect(await buffer.losses(10)).toMatchObject([{ first: 0, records: 1, landed: true }]);
    expect(await readAll(buffer)).toEqual([]);
    await expectBalance(buffer, 2);
    await buffer.clip(id, 0, 3);
    expect(await buffer.losses(10)).toEqual([]);
    await expectBalance(buffer, 3);
  });

  test('a loss that was never offered and is passed had landed as records', async () => {
    const { buffer } = context;
    await buffer.append(delivery('t', 'a', 'b', 'c'));
    const id = stream(buffer, 't');
    await readAll(buffer);
    await buffer.refuse(id, 0, 'bad-crc', 'an answer that came late');
    await buffer.acknowledge([{ ...id, through: 1 }]);
    expect(await buffer.losses(10)).toMatchObject([{ first: 2, records: 1, landed: false }]);
    await expectBalance(buffer, 2);
    await buffer.acknowledge([{ ...id, through: 2 }]);
    expect(await buffer.losses(10)).toEqual([]);
    await expectBalance(buffer, 3);
  });

  test('what was dropped after it had landed, unknown to us, is settled by central', async () => {
    await context.buffer.append(delivery('t', 'a', 'b', 'c'));
    await context.buffer.confirmSession('central-1');
    const id = stream(context.buffer, 't');
    // Central lands them, but its answer is lost, and the gateway starts again with less room.
    await readAll(context.buffer);
    await context.reopen({ topics: new Map([['*', { partitions: 1, maxBytes: 300 }]]) });
    await context.buffer.append(delivery('t', 'd'));
    const [loss] = losses(await readAll(context.buffer));
    expect(loss!.loss).toMatchObject({ first: 0, span: 3, reason: 'evicted' });
    // The loss is under way when the gateway starts once more.
    await context.reopen();
    const { buffer } = context;
    await buffer.confirmSession('central-1');
    await buffer.acknowledge([{ ...id, through: 2 }]);
    expect(await buffer.helloStreams()).toMatchObject([{ cursor: -1 }]);
    expect(losses(await readAll(buffer))).toHaveLength(1);
    await buffer.clip(id, 0, 3);
    await buffer.acknowledge([{ ...id, through: 3 }]);
    expect((await buffer.report(0, 1)).totals).toMatchObject({ lostRecords: 0, lossesPending: 0 });
    await expectBalance(buffer, 4);
  });

  test('neighbours that were dropped are one loss, until central knows of it', async () => {
    await context.reopen({ topics: new Map([['*', { partitions: 1, maxBytes: 300 }]]) });
    const { buffer } = context;
    for (const value of ['a', 'b', 'c', 'd']) await buffer.append(delivery('t', value));
    expect(await buffer.losses(9)).toMatchObject([{ first: 0, span: 3, records: 3 }]);
    await readAll(buffer);
    for (const value of ['e', 'f', 'g']) await buffer.append(delivery('t', value));
    const spans = (await buffer.losses(9)).map(({ first, span }) => [first, span]);
    expect(spans).toEqual([
      [3, 3],
      [0, 3],
    ]);
    await expectBalance(buffer, 0);
  });
}
