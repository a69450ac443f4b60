import { expect, test } from 'vitest';
import { checkBatch } from '#shared/wire/batch-check.ts';
import { batchHeaderBytes, batchField as field } from '#shared/wire/batch-layout.ts';
import { codecs } from '#shared/wire/compression.ts';
import { decodeFrames, encodeFrame, type Frame, FrameError } from '#shared/wire/frame.ts';
import type { Provenance, WireRecord } from '#shared/wire/record.ts';
import { BatchError, openBatch, restampProducer, sealBatch } from '#shared/wire/record-batch.ts';
import { dice, seed } from './arbitrary.ts';

/** Random damage: whatever arrives, only the announced errors come out, and soon. */

const site: Provenance = {
  alias: 'factory-a',
  topic: 'sensor-data',
  epoch: '00112233445566778899aabbccddeeff',
  firstSequence: 95,
};
const records: WireRecord[] = Array.from({ length: 12 }, (_, i) => ({
  key: i % 3 ? Buffer.from(`key-${i}`) : null,
  value: Buffer.from(`{"reading":${i},"state":"running","state":"running"}`),
  headers: i % 2 ? [['unit', Buffer.from('C')]] : [],
  timestamp: 1_700_000_000_000 + i * 1000,
}));
const segment: Frame = {
  kind: 'segment',
  epoch: site.epoch,
  topic: site.topic,
  partition: 1,
  partitionCount: 4,
  first: 95,
  count: 12,
  acceptedFrom: 1_700_000_000_000,
  acceptedTo: 1_700_000_012_000,
  provenance: 'headers',
  runs: [
    { sequence: 95, sourceOffset: 7, count: 5, incarnation: '0'.repeat(32) },
    { sequence: 100, sourceOffset: 700, count: 7, incarnation: 'f'.repeat(32) },
  ],
  batch: sealBatch(records, { compression: 'zstd', provenance: site }),
};
const loss: Frame = {
  kind: 'loss',
  epoch: site.epoch,
  topic: site.topic,
  partition: 1,
  partitionCount: 4,
  loss: {
    first: 107,
    span: 3,
    records: 3,
    scope: 'stream',
    bytes: 300,
    from: null,
    to: 5,
    reason: 'evicted',
    detail: 'the buffer holds 1 GiB at most',
  },
};

function outcome<T>(work: () => T, wanted: new (...all: never[]) => Error): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof wanted)) throw error;
    return undefined;
  }
}

test('no flipped bit of a frame is ever accepted', () => {
  for (const frame of [segment, loss]) {
    const body = Buffer.concat([...encodeFrame(frame), ...encodeFrame(segment)]);
    expect(decodeFrames(body)).toHaveLength(2);
    for (let bit = 0; bit < body.length * 8; bit++) {
      body[bit >> 3]! ^= 1 << (bit & 7);
      expect(
        outcome(() => decodeFrames(body), FrameError),
        `bit ${bit}`,
      ).toBeUndefined();
      body[bit >> 3]! ^= 1 << (bit & 7);
    }
  }
});

test('no shortened body is ever accepted, but at the end of a frame', () => {
  const first = Buffer.concat(encodeFrame(segment));
  const body = Buffer.concat([first, ...encodeFrame(loss)]);
  for (let length = 1; length < body.length; length++) {
    const frames = outcome(() => decodeFrames(body.subarray(0, length)), FrameError);
    expect(frames?.length, `${length} bytes`).toBe(length === first.length ? 1 : undefined);
  }
});

test(`bytes moved, doubled or cut out of a frame are seen (seed ${seed})`, () => {
  const roll = dice();
  const whole = Buffer.concat(encodeFrame(segment));
  for (let round = 0; round < 1500; round++) {
    const from = roll(whole.length);
    const length = 1 + roll(20);
    const part = whole.subarray(from, from + length);
    const rest = Buffer.concat([whole.subarray(0, from), whole.subarray(from + length)]);
    const to = roll(rest.length);
    const moved = Buffer.concat([rest.subarray(0, to), part, rest.subarray(to)]);
    const changed = [rest, moved, Buffer.concat([whole, part])][roll(3)]!;
    if (changed.equals(whole)) continue;
    expect(outcome(() => decodeFrames(changed), FrameError)).toBeUndefined();
  }
});

test(`noise is never a frame, nor a crash (seed ${seed})`, () => {
  const roll = dice();
  const head = Buffer.concat(encodeFrame(segment)).subarray(0, 16);
  for (let round = 0; round < 1500; round++) {
    const noise = Buffer.from(Array.from({ length: 1 + roll(200) }, () => roll(256)));
    expect(outcome(() => decodeFrames(noise), FrameError)).toBeUndefined();
    const behindHead = Buffer.concat([head, noise]);
    behindHead.writeUInt32BE(behindHead.length, 8);
    expect(outcome(() => decodeFrames(behindHead), FrameError)).toBeUndefined();
  }
});

/** One to four bytes of `bytes`, from `start` on, replaced: often by the values that hurt. */
function damage(bytes: Buffer, start: number, roll: (below: number) => number): void {
  const nasty = [0x00, 0x01, 0x7f, 0x80, 0xff, 0xfe];
  for (let left = 1 + roll(4); left > 0; left--) {
    const at = start + roll(bytes.length - start);
    bytes[at] = roll(2) ? nasty[roll(nasty.length)]! : roll(256);
  }
}

test.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)(
  `%s: records damaged under a right CRC are refused or whole (seed ${seed})`,
  (compression) => {
    const roll = dice();
    const sealed = sealBatch(records, { compression, provenance: site });
    for (let round = 0; round < 1500; round++) {
      const batch = Buffer.from(sealed);
      damage(batch, roll(3) ? batchHeaderBytes : field.attributes, roll);
      restampProducer(batch, { producerId: -1n, producerEpoch: -1, baseSequence: -1 });
      const opened = outcome(() => openBatch(batch), BatchError);
      const expected = { count: records.length, provenance: site };
      const checked = outcome(() => checkBatch(batch, expected), BatchError);
      // What central lets in, every reader can open: the same count, each with its provenance.
      if (checked) expect(opened).toHaveLength(records.length);
    }
  },
);

test.each(['gzip', 'snappy', 'lz4', 'zstd'] as const)(
  `%s: damaged input gives an error or bounded output, never a crash (seed ${seed})`,
  (name) => {
    const roll = dice();
    const text = Buffer.from('the quick brown fox jumps over the lazy dog; '.repeat(40));
    const packed = Buffer.from(codecs[name].compress(text));
    for (let round = 0; round < 1500; round++) {
      const damaged = Buffer.from(packed.subarray(0, 1 + roll(packed.length)));
      damage(damaged, 0, roll);
      const out = outcome(() => codecs[name].decompress(damaged, 5000), Error);
      expect(out?.length ?? 0).toBeLessThanOrEqual(5000);
    }
  },
);
