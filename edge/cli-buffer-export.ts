import { isUtf8 } from 'node:buffer';
import { isoTime } from '#shared/std/clock.ts';
import type { CommandIo } from '#shared/std/command-io.ts';
import { readFrames, type SegmentFrame } from '#shared/wire/frame.ts';
import { streamKey } from '#shared/wire/link.ts';
import type { WireRecord } from '#shared/wire/record.ts';
import { openBatch, stripProvenance } from '#shared/wire/record-batch.ts';
import type { RecordBuffer } from './buffer/buffer.ts';

/** Beyond it a number is no date (ECMA-262, time values). */
const dateMax = 8.64e15;
const readBytes = 1024 * 1024;

/** Everything that waits for central, a record a line, in the order it would be sent. */
export async function exportRecords(
  buffer: RecordBuffer,
  topic: string | undefined,
  io: CommandIo,
): Promise<number> {
  const from = new Map<string, number>();
  for (let more = true; more; ) {
    const batch = await buffer.read({ from, maxBytes: readBytes });
    for (const frame of batch.frames) from.set(streamKey(frame), frame.first + frame.span);
    for (const frame of readFrames(batch.body)) {
      if (frame.kind === 'segment' && (topic ?? frame.topic) === frame.topic) {
        await io.write(segmentLines(frame));
      }
    }
    more = batch.more && batch.frames.length > 0;
  }
  return 0;
}

const segmentLines = (frame: SegmentFrame): string =>
  openBatch(frame.batch)
    .map((record, index) => `${JSON.stringify(recordLine(frame, record, index))}\n`)
    .join('');

/** Bytes that are no text as base64, as everywhere in our JSON. */
function recordLine(frame: SegmentFrame, sealed: WireRecord, index: number) {
  const { epoch, topic, partition, first } = frame;
  const { timestamp, key, value, headers } = stripProvenance(sealed);
  const text = (name: 'key' | 'value', bytes: Buffer | null) =>
    bytes === null || isUtf8(bytes)
      ? { [name]: bytes?.toString('utf8') ?? null }
      : { [`${name}Base64`]: bytes.toString('base64') };
  return {
    ...{ topic, partition, epoch, sequence: first + index },
    timestamp: Math.abs(timestamp) <= dateMax ? isoTime(timestamp) : timestamp,
    ...text('key', key),
    ...text('value', value),
    headers: headers.map(([name, bytes]) => [
      name,
      bytes === null || isUtf8(bytes)
        ? (bytes?.toString('utf8') ?? null)
        : { base64: bytes.toString('base64') },
    ]),
  };
}
