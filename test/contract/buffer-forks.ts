import { expect, test } from 'vitest';
import { openBatch } from '#shared/wire/record-batch.ts';
import {
  type BufferContext,
  delivery,
  expectBalance,
  readAll,
  record,
  segments,
  stream,
  values,
} from './buffer.ts';

/** Sessions, epochs and copies (DESIGN §5). */
export function describeForks(context: BufferContext): void {
  test('a session that was confirmed is the previous one of the next run', async () => {
    const first = context.buffer.identity;
    expect(first).toMatchObject({ previous: null, centralId: null });
    await context.buffer.append(delivery('t', 'a', 'b'));
    await context.buffer.confirmSession('central-1');
    expect(context.buffer.identity).toEqual({ ...first, centralId: 'central-1' });
    expect(await context.buffer.helloStreams()).toMatchObject([{ head: 1, confirmed: -1 }]);
    await context.buffer.append(delivery('t', 'c'));
    await context.crash();
    expect(context.buffer.identity).toMatchObject({
      ...{ previous: first.session, centralId: 'central-1', epoch: first.epoch },
    });
    await context.buffer.append(delivery('t', 'd'));
    expect(await context.buffer.helloStreams()).toMatchObject([{ head: 3, confirmed: 2 }]);
    await context.crash();
    expect(context.buffer.identity.previous).toBe(first.session);
    expect(await context.buffer.helloStreams()).toMatchObject([{ head: 3, confirmed: 2 }]);
  });

  test('a fork moves what no central confirmed, and nothing else', async () => {
    await context.buffer.append(delivery('t', 'a', 'b'));
    await context.buffer.confirmSession('central-1');
    await context.crash();
    const before = context.buffer.identity;
    await context.buffer.append(delivery('t', 'c', 'd'));
    await context.buffer.fork({ scope: 'unconfirmed', keep: [] });
    const { buffer } = context;
    expect(buffer.identity.epoch).not.toBe(before.epoch);
    expect(buffer.identity.session).not.toBe(before.session);
    expect(buffer.identity.previous).toBe(before.previous);
    await buffer.append(delivery('t', 'e'));
    expect(await buffer.helloStreams()).toMatchObject([
      { epoch: before.epoch, head: 1, cursor: -1, confirmed: 1 },
      { epoch: buffer.identity.epoch, head: 2, cursor: -1, confirmed: -1 },
    ]);
    // The older epoch goes first, alone.
    const old = await readAll(buffer);
    expect(values(old)).toEqual(['a', 'b']);
    await buffer.acknowledge([{ epoch: before.epoch, topic: 't', partition: 0, through: 1 }]);
    const moved = segments(await readAll(buffer));
    expect(values(moved)).toEqual(['c', 'd', 'e']);
    expect(moved.map(({ epoch }) => epoch)).toEqual(moved.map(() => buffer.identity.epoch));
    const names = moved.flatMap(({ batch }) =>
      openBatch(batch).map(({ headers }) => headers.slice(-2).map(([, value]) => String(value))),
    );
    expect(names).toEqual([0, 1, 2].map((i) => [buffer.identity.epoch, String(i)]));
    await expectBalance(buffer, 2);
    await context.reopen();
    expect(await context.buffer.helloStreams()).toMatchObject([{ head: 2 }]);
    await expectBalance(context.buffer, 2);
  });

  test('a fork of all moves what is not acknowledged, inside a segment too', async () => {
    const { buffer } = context;
    await buffer.append(delivery('t', 'a', 'b', 'c', 'd'));
    await buffer.confirmSession('central-1');
    const before = buffer.identity;
    const id = stream(buffer, 't');
    await buffer.acknowledge([{ ...id, through: 0 }]);
    await buffer.fork({ scope: 'all', keep: [{ ...id, through: 1 }] });
    expect(buffer.identity.previous).toBe(before.session);
    expect(await buffer.helloStreams()).toMatchObject([
      { epoch: before.epoch, head: 1, cursor: 0, confirmed: 1 },
      { epoch: buffer.identity.epoch, head: 1, cursor: -1 },
    ]);
    expect(values(await readAll(buffer))).toEqual(['b']);
    await buffer.acknowledge([{ ...id, through: 1 }]);
    expect(values(await readAll(buffer))).toEqual(['c', 'd']);
    await expectBalance(buffer, 2);
  });

  test('losses move with their records', async () => {
    const { buffer } = context;
    await buffer.append({ topic: 't', records: [record('a'), { ...record('b'), partition: 1.5 }] });
    await buffer.append({ ...delivery('t', 'c'), sourceLoss: { records: 3, detail: 'x' } });
    await readAll(buffer);
    await buffer.fork({ scope: 'all', keep: [] });
    expect(await buffer.losses(5)).toMatchObject([
      { epoch: buffer.identity.epoch, first: 3, scope: 'source' },
      { epoch: buffer.identity.epoch, first: 1, scope: 'stream' },
    ]);
    const frames = await readAll(buffer);
    expect(frames.map((frame) => (frame.kind === 'loss' ? frame.loss.first : frame.first))).toEqual(
      [0, 1, 2, 3],
    );
    await expectBalance(buffer, 0);
    await buffer.acknowledge([{ ...stream(buffer, 't'), through: 3 }]);
    await expectBalance(buffer, 2);
  });

  test('forks follow each other, and what each moves keeps its order', async () => {
    const { buffer } = context;
    const keep = [];
    const all: string[] = [];
    for (let round = 0; round < 4; round++) {
      const batch = Array.from({ length: 5 }, (_, i) => `${round}-${i}`);
      all.push(...batch);
      await buffer.append(delivery('t', ...batch));
      if (round % 2 === 0) keep.push({ ...stream(buffer, 't'), through: 2 });
      await buffer.fork({ scope: 'all', keep: keep });
    }
    const seen: string[] = [];
    for (;;) {
      const batch = await buffer.read({ from: new Map(), maxBytes: 1e6 });
      if (batch.frames.length === 0) break;
      seen.push(...values(await readAll(buffer)));
      await buffer.acknowledge(
        batch.frames.map((frame) => ({ ...frame, through: frame.first + frame.span - 1 })),
      );
    }
    expect([...seen].sort()).toEqual([...all].sort());
    await expectBalance(buffer, all.length);
  });

  test('what stays of a later epoch stays, also when all moves out of an earlier one', async () => {
    const { buffer } = context;
    await buffer.append(delivery('t', 'a', 'b', 'c', 'd', 'e'));
    await buffer.fork({ scope: 'all', keep: [{ ...stream(buffer, 't'), through: 1 }] });
    await buffer.append(delivery('t', 'f'));
    const second = stream(buffer, 't');
    await buffer.fork({ scope: 'all', keep: [{ ...second, through: 0 }] });
    await buffer.append(delivery('t', 'g'));
    const third = stream(buffer, 't');
    expect(await buffer.helloStreams()).toMatchObject([
      { epoch: second.epoch, head: 0 },
      { epoch: third.epoch, head: 5 },
    ]);
    expect(values(await readAll(buffer))).toEqual(['c']);
    await buffer.acknowledge([{ ...second, through: 0 }]);
    expect(values(await readAll(buffer))).toEqual(['a', 'b', 'd', 'e', 'f', 'g']);
    await buffer.acknowledge([{ ...third, through: 3 }]);
    expect(values(await readAll(buffer))).toEqual(['f', 'g']);
    await expectBalance(buffer, 5);
  });
}
