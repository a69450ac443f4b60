import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codecs } from '#shared/wire/compression.ts';
import { xxh32 } from '#shared/wire/xxh32.ts';
import { runs, seed } from './arbitrary.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const names = ['gzip', 'snappy', 'lz4', 'zstd'] as const;
const fox = 'the quick brown fox jumps over the lazy dog; '.repeat(4);

/** Bytes with repeats near and far, which random ones do not have. */
const compressible = fc
  .array(
    fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ max: 300, min: 1 })),
    {
      maxLength: 30,
    },
  )
  .map((parts) => Buffer.concat(parts.flatMap(([part, times]) => Array(times).fill(part))));

test.each(names)('%s gives back what it was given', (name) => {
  fc.assert(
    fc.property(compressible, (data) => {
      const packed = codecs[name].compress(data);
      expect(Buffer.compare(codecs[name].decompress(packed, 100_000), data)).toBe(0);
    }),
    runs(100),
  );
});

test.each(names)(`%s stops at the limit, to the byte (seed ${seed})`, (name) => {
  const limited = compressible.filter((data) => data.length > 1);
  fc.assert(
    fc.property(limited, (data) => {
      const packed = codecs[name].compress(data);
      const inflate = () => codecs[name].decompress(packed, data.length - 1);
      expect(inflate).toThrow(expect.objectContaining({ code: 'ERR_BUFFER_TOO_LARGE' }));
    }),
    runs(50),
  );
});

test.each(names)('%s needs its input to the last byte, and no more', (name) => {
  const packed = codecs[name].compress(Buffer.from(fox));
  for (let length = 0; length < packed.length; length++) {
    expect(() => codecs[name].decompress(packed.subarray(0, length), 1000)).toThrow();
  }
  for (const extra of [Buffer.of(0), Buffer.alloc(8), packed.subarray(0, 3)]) {
    expect(() => codecs[name].decompress(Buffer.concat([packed, extra]), 1000)).toThrow();
  }
});

test.each(['snappy', 'lz4'] as const)('%s makes telemetry at least three times smaller', (name) => {
  const reading = (i: number) => `{"sensor":${i % 50},"state":"running","value":${i * 37}}\n`;
  const text = Buffer.from(Array.from({ length: 5000 }, (_, i) => reading(i)).join(''));
  expect(codecs[name].compress(text).length).toBeLessThan(text.length / 3);
});

describe('snappy and lz4 against another implementation (Rust, as WebAssembly)', () => {
  const require = createRequire(import.meta.url);
  const wasm: { [name: string]: (data: Uint8Array) => Buffer } = createRequire(
    require.resolve('@platformatic/kafka'),
  )('@platformatic/wasm-utils');

  test.each(['snappy', 'lz4'] as const)(`%s, both directions (seed ${seed})`, (name) => {
    const few = compressible.filter((data) => data.length < 60_000);
    fc.assert(
      fc.property(few, (data) => {
        const theirs = wasm[`${name}Compress`]!(data);
        expect(Buffer.compare(codecs[name].decompress(theirs, data.length), data)).toBe(0);
        const ours = codecs[name].compress(data);
        expect(Buffer.compare(wasm[`${name}Decompress`]!(ours), data)).toBe(0);
      }),
      runs(100),
    );
  });
});

describe('snappy', () => {
  const { decompress } = codecs.snappy;
  const plainText = hex('09 20 504c41494e44415441');
  const xerial = (...blocks: Buffer[]) =>
    Buffer.concat([
      hex('82534e4150505900 00000001 00000001'),
      ...blocks.flatMap((block) => [hex(block.length.toString(16).padStart(8, '0')), block]),
    ]);

  test('reads raw blocks, and the frame that Kafka’s Java client puts around them', () => {
    expect(decompress(plainText, 9).toString()).toBe('PLAINDATA');
    expect(decompress(xerial(plainText), 9).toString()).toBe('PLAINDATA');
    expect(decompress(xerial(plainText, plainText), 18).toString()).toBe('PLAINDATAPLAINDATA');
    expect(decompress(xerial(), 9)).toHaveLength(0);
  });

  test('a copy may reach into itself', () => {
    const repeat = hex('24 14 524550454154 76 0600');
    expect(decompress(repeat, 36).toString()).toBe('REPEAT'.repeat(6));
  });

  test('reads every kind of element', () => {
    const literal = (tag: string, length: number) =>
      Buffer.concat([hex(tag), Buffer.alloc(length, 1)]);
    expect(decompress(Buffer.concat([hex('46'), literal('f0 45', 70)]), 100)).toHaveLength(70);
    expect(decompress(Buffer.concat([hex('46'), literal('f4 4500', 70)]), 100)).toHaveLength(70);
    expect(decompress(Buffer.concat([hex('46'), literal('f8 450000', 70)]), 100)).toHaveLength(70);
    expect(decompress(Buffer.concat([hex('46'), literal('fc 45000000', 70)]), 100)).toHaveLength(
      70,
    );
    expect(decompress(hex('08 0c61626364 01 04'), 8).toString()).toBe('abcdabcd');
    expect(decompress(hex('08 0c61626364 0e 0400'), 8).toString()).toBe('abcdabcd');
    expect(decompress(hex('08 0c61626364 0f 04000000'), 8).toString()).toBe('abcdabcd');
  });

  test.each([
    ['a copy from before the beginning', '08 0c61626364 0e 0500'],
    ['a copy from nowhere', '08 0c61626364 0e 0000'],
    ['a literal beyond the end', '08 1c61626364'],
    ['less than announced', '09 0c61626364 0e 0400'],
    ['more than announced', '07 0c61626364 0e 0400'],
    ['a length without end', 'ffffffffffff'],
    ['a block beyond the frame', '82534e4150505900 00000001 00000001 00000009 00'],
    ['half a block length', '82534e4150505900 00000001 00000001 0000'],
    ['half a frame header', '82534e4150505900 000000'],
    ['nothing', ''],
  ])('refuses %s', (_, damaged) => {
    expect(() => decompress(hex(damaged), 100)).toThrow(RangeError);
  });
});

describe('lz4', () => {
  const { compress, decompress } = codecs.lz4;
  /** Made with `lz4` 1.9.4 from {@link fox}; the options are in the names. */
  const block =
    '39000000f01074686520717569636b2062726f776e20666f78206a756d7073206f766572201f0091' +
    '6c617a7920646f673b0e000f2d006b50646f673b20';
  const frames: [string, string][] = [
    ['-B4', `04224d186440a7 ${block} 00000000 67a53174`],
    ['-B4 --content-size', `04224d186c40b400000000000000 29 ${block} 00000000 67a53174`],
    ['-B4 -BX', `04224d187440bd ${block} 03cf887d 00000000 67a53174`],
    ['-B7 --no-frame-crc', `04224d18607073 ${block} 00000000`],
  ];
  test.each(frames)('reads frames of lz4 %s', (_, frame) => {
    expect(decompress(hex(frame), 1000).toString()).toBe(fox);
  });

  test('reads stored blocks', () => {
    expect(decompress(hex('04224d18604082 03000080 616263 00000000'), 3).toString()).toBe('abc');
  });

  test.each([
    ['another magic', 'no lz4 frame', `03224d18604082 ${block} 00000000`],
    ['a wrong header checksum', 'header checksum', `04224d18604083 ${block} 00000000`],
    ['another version', 'unknown version', `04224d18a0400f ${block} 00000000`],
    ['blocks that need each other', 'depend on each other', `04224d184040c0 ${block} 00000000`],
    ['a dictionary', 'unknown flags', `04224d186140 00000000 a0 ${block} 00000000`],
    [
      'a wrong block checksum',
      'checksum of a block',
      `04224d187440bd ${block} 03cf887e 00000000 67a53174`,
    ],
    [
      'a wrong content checksum',
      'checksum of the content',
      `04224d186440a7 ${block} 00000000 67a53175`,
    ],
    ['no end mark', 'out of range', `04224d18604082 ${block}`],
    [
      'two frames',
      'bytes behind the frame',
      `04224d18604082 ${block} 00000000 04224d18604082 ${block} 00000000`,
    ],
    [
      'a copy from before the block',
      'copy from 2 back at 1',
      '04224d18604082 05000000 10 61 0200 00 00000000',
    ],
    [
      'a copy from the block before',
      'copy from 3 back at 1',
      '04224d18604082 05000000 40 61626364 07000000 10 61 0300 10 61 00000000',
    ],
    ['a copy at the very end', 'out of range', '04224d18604082 04000000 10 61 0100 00000000'],
    ['a block cut off', 'block is cut off', '04224d18604082 ff000000 10 61'],
  ])('refuses %s', (_, reason, damaged) => {
    expect(() => decompress(hex(damaged), 1000)).toThrow(reason);
  });

  test('ends a block with five literals, as other readers demand', () => {
    const packed = Buffer.from(compress(Buffer.alloc(100, 'a')));
    expect(packed.toString('hex').endsWith('50616161616100000000')).toBe(true);
  });

  test('refuses a block larger than its frame allows', () => {
    const token = `1f 61 0100 ${'ff'.repeat(300)}00 5061616161 61`;
    const body = hex(token);
    const size = Buffer.alloc(4);
    size.writeUInt32LE(body.length);
    const frame = Buffer.concat([hex('04224d18604082'), size, body, hex('00000000')]);
    expect(() => decompress(frame, 1_000_000)).toThrow('larger than its frame says');
  });
});

test.each([
  ['', 0x02cc5d05],
  ['a', 0x550d7456],
  ['abc', 0x32d153ff],
  [fox, 0x7431a567],
])('xxh32 of "%s" is the published one', (text, hash) => {
  expect(xxh32(Buffer.from(text))).toBe(hash);
});
