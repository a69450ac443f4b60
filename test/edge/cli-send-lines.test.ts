import { PassThrough, Readable } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Batch, type LineForm, readBatches } from '#edge/cli-send-lines.ts';
import { parseBody } from '#edge/source/http-body.ts';

async function batchesOf(pieces: Buffer[], form: Partial<LineForm> = {}): Promise<Batch[]> {
  const all: Batch[] = [];
  const whole = { ndjson: false, eager: false, ...form };
  for await (const batch of readBatches(Readable.from(pieces), whole, () => {})) all.push(batch);
  return all;
}

/** As the agent understands them. */
const recordsOf = (batches: Batch[]) =>
  batches.flatMap(({ body }) => [
    ...parseBody(body, 'application/x-ndjson', { key: null, timestamp: 0 }),
  ]);

const values = (batches: Batch[]) => recordsOf(batches).map(({ value }) => value!.toString());

const lines = (text: string, form?: Partial<LineForm>) => batchesOf([Buffer.from(text)], form);

test('every line is a record, with or without an end to the last', async () => {
  expect(values(await lines('a\nb\r\n\nc'))).toEqual(['a', 'b', '', 'c']);
  expect(values(await lines('a\n'))).toEqual(['a']);
  expect(await lines('')).toEqual([]);
});

test('any bytes arrive as they are, wherever the pieces are cut', async () => {
  const line = fc.uint8Array({ maxLength: 20 }).map((bytes) => {
    const plain = Buffer.from(bytes.filter((byte) => byte !== 0x0a));
    return plain.at(-1) === 0x0d ? Buffer.from('x') : plain;
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { maxLength: 20 }),
      fc.integer({ min: 1, max: 9 }),
      async (all, n) => {
        const input = Buffer.concat(all.flatMap((one) => [one, Buffer.from('\n')]));
        const pieces = Array.from({ length: Math.ceil(input.length / n) }, (_, index) =>
          input.subarray(index * n, index * n + n),
        );
        const got = recordsOf(await batchesOf(pieces)).map(({ value }) => value!.toString('hex'));
        expect(got).toEqual(all.map((one) => one.toString('hex')));
      },
    ),
  );
});

test('lines of JSON go as they are, empty ones are left out', async () => {
  const text = '{"b": 1.0}\n\n  \n{"value": "x", "key": "k"}\n12345678901234567890\n';
  const records = recordsOf(await lines(text, { ndjson: true }));
  expect(records.map(({ key, value }) => [key?.toString(), value?.toString()])).toEqual([
    [undefined, '{"b": 1.0}'],
    ['k', 'x'],
    [undefined, '12345678901234567890'],
  ]);
});

test('a field becomes the key, and the line stays the value byte for byte', async () => {
  const text = '{"s":"a", "n": 1.50}\n{"s":7,"value":"x"}\n{"s":true}';
  const records = recordsOf(await lines(text, { ndjson: true, keyField: 's' }));
  expect(records.map(({ key, value }) => [key?.toString(), value?.toString()])).toEqual([
    ['a', '{"s":"a", "n": 1.50}'],
    ['7', '{"s":7,"value":"x"}'],
    ['true', '{"s":true}'],
  ]);
});

test('a line that cannot be sent is named by its number', async () => {
  const ndjson = { ndjson: true };
  await expect(lines('{}\n\n{"a":\n', ndjson)).rejects.toThrow(
    /^line 3 is not JSON: .*--ndjson out/,
  );
  const keyed = { ndjson: true, keyField: 's' };
  for (const bad of ['{"t":1}', '[1]', '"s"', 'null', '{"s":{}}', '{"s":null}']) {
    await expect(lines(`{"s":"x"}\n${bad}`, keyed)).rejects.toThrow('line 2 has no text, number');
  }
  const long = Buffer.alloc(1024 * 1024, 0x61);
  const endless = [Buffer.from('a\n'), long, long, long, long];
  await expect(batchesOf(endless)).rejects.toThrow(/^line 2 has \d+ bytes or more/);
});

test('batches are bounded and know their lines', async () => {
  const batches = await lines('x\n'.repeat(25_000));
  expect(batches.map(({ records, firstLine, lastLine }) => [records, firstLine, lastLine])).toEqual(
    [
      [10_000, 1, 10_000],
      [10_000, 10_001, 20_000],
      [5_000, 20_001, 25_000],
    ],
  );
  const wide = await lines(`${'y'.repeat(300_000)}\n`.repeat(8));
  expect(wide.map(({ records }) => records)).toEqual([4, 4]);
});

test('an eager reader does not hold back the line of a slow writer', async () => {
  const input = new PassThrough();
  const batches = readBatches(input, { ndjson: false, eager: true }, () => {});
  input.write('first\nsec');
  expect((await batches.next()).value?.records).toBe(1);
  input.write('ond\n');
  expect((await batches.next()).value?.body.toString()).toBe('{"value":"second"}\n');
  input.end();
  expect((await batches.next()).done).toBe(true);
});
