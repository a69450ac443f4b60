import { crc32c } from '../std/crc32c.ts';
import { limits } from './limits.ts';
import type { StreamId } from './link.ts';
import { type Loss, lossReasons } from './loss.ts';
import { topicProblem } from './topic-name.ts';

/** A run of records that were consecutive at their source too (a Kafka partition, for example). */
export interface SourceRun {
  /** First sequence of the run. */
  sequence: number;
  sourceOffset: number;
  count: number;
  /** Life of the source topic, 32 hexadecimal digits; zeros where the source has none. */
  incarnation: string;
}

export interface SegmentFrame extends StreamId {
  kind: 'segment';
  partitionCount: number;
  first: number;
  count: number;
  /** Accept clock of the oldest and newest record, ms. */
  acceptedFrom: number;
  acceptedTo: number;
  provenance: 'headers' | 'index';
  /** None, or runs that follow each other and together make up the segment. */
  runs: readonly SourceRun[];
  batch: Buffer;
}

export interface LossFrame extends StreamId {
  kind: 'loss';
  partitionCount: number;
  loss: Loss;
}

export type Frame = SegmentFrame | LossFrame;

export type FrameErrorCode =
  | 'truncated'
  | 'bad-magic'
  | 'bad-version'
  | 'bad-length'
  | 'bad-crc'
  | 'bad-field';

/** The body is not a row of frames. Nothing of it is to be used. */
export class FrameError extends Error {
  override name = 'FrameError';
  readonly code: FrameErrorCode;
  /** Which frame of the body, from 0. */
  readonly index: number;
  /** Where that frame begins, bytes. */
  readonly offset: number;

  constructor(code: FrameErrorCode, message: string, index = 0, offset = 0) {
    super(`frame ${index} at byte ${offset}: ${message}`);
    this.code = code;
    this.index = index;
    this.offset = offset;
  }
}

/**
 * A request body is frames back to back. Big-endian; `u64` is a safe integer.
 *
 *   frame   := magic u32 'TRBF' · version u8 (1) · kind u8 (1 segment, 2 loss) · zero u16
 *              · length u32 (the whole frame) · crc u32 (CRC-32C of all else: bytes 0 to 11 and 16 to the end)
 *              · epoch 16 bytes · partition u32 · partitionCount u32 · topicLength u8 · topic
 *              · (segment | loss)
 *   segment := first u64 · count u32 · acceptedFrom u64 · acceptedTo u64 · provenance u8 (0 index,
 *              1 headers) · runCount u16 · run{runCount} · batch (RecordBatch v2, to the end)
 *   run     := sourceOffset u64 · count u32 · incarnation 16 bytes
 *   loss    := JSON of a Loss, UTF-8, to the end
 *
 * The runs of a segment follow each other from `first` and add up to `count`, so that a run's
 * sequence need not be written.
 */
const magic = 0x54524246;
const version = 1;
const fixedBytes = 41;
const segmentBytes = 31;
const runBytes = 28;
const crcAt = 12;

function fail(message: string): never {
  throw new FrameError('bad-field', message);
}

/** Bytes that {@link encodeFrame} makes. */
export function frameSize(frame: Frame): number {
  const head = fixedBytes + frame.topic.length;
  if (frame.kind === 'loss') return head + Buffer.byteLength(JSON.stringify(frame.loss));
  return head + segmentBytes + runBytes * frame.runs.length + frame.batch.length;
}

/** Head and batch (the latter as it is, not copied), to be sent one after the other. */
export function encodeFrame(frame: Frame): Buffer[] {
  checkFrame(frame);
  const tail = frame.kind === 'loss' ? Buffer.from(JSON.stringify(frame.loss)) : frame.batch;
  const size = frameSize(frame);
  const head = Buffer.alloc(size - tail.length);
  head.writeUInt32BE(magic, 0);
  head[4] = version;
  head[5] = frame.kind === 'segment' ? 1 : 2;
  head.writeUInt32BE(size, 8);
  head.write(frame.epoch, 16, 'hex');
  head.writeUInt32BE(frame.partition, 32);
  head.writeUInt32BE(frame.partitionCount, 36);
  head[40] = frame.topic.length;
  head.write(frame.topic, fixedBytes, 'latin1');
  if (frame.kind === 'segment') writeSegment(frame, head, fixedBytes + frame.topic.length);
  head.writeUInt32BE(frameCrc(head, tail), crcAt);
  return [head, tail];
}

function frameCrc(head: Uint8Array, tail?: Uint8Array): number {
  const crc = crc32c(head.subarray(crcAt + 4), crc32c(head.subarray(0, crcAt)));
  return tail ? crc32c(tail, crc) : crc;
}

function writeSegment(frame: SegmentFrame, head: Buffer, start: number): void {
  writeU64(head, frame.first, start);
  head.writeUInt32BE(frame.count, start + 8);
  writeU64(head, frame.acceptedFrom, start + 12);
  writeU64(head, frame.acceptedTo, start + 20);
  head[start + 28] = frame.provenance === 'headers' ? 1 : 0;
  head.writeUInt16BE(frame.runs.length, start + 29);
  let position = start + segmentBytes;
  for (const run of frame.runs) {
    writeU64(head, run.sourceOffset, position);
    head.writeUInt32BE(run.count, position + 8);
    head.write(run.incarnation, position + 12, 'hex');
    position += runBytes;
  }
}

function writeU64(bytes: Buffer, value: number, position: number): void {
  bytes.writeUInt32BE(Math.floor(value / 0x1_0000_0000), position);
  bytes.writeUInt32BE(value % 0x1_0000_0000, position + 4);
}

/** Not a safe integer where the bytes are none; the field's check refuses it. */
const readU64 = (bytes: Buffer, position: number): number =>
  bytes.readUInt32BE(position) * 0x1_0000_0000 + bytes.readUInt32BE(position + 4);

/** Every frame of `body`; batches are views of it. Throws a FrameError and nothing else. */
export function decodeFrames(body: Uint8Array): Frame[] {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  const frames: Frame[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    try {
      const frame = bytes.subarray(offset, offset + frameLength(bytes.subarray(offset)));
      frames.push(decodeFrame(frame));
      offset += frame.length;
    } catch (error) {
      const code = error instanceof FrameError ? error.code : 'bad-field';
      const message = (error as Error).message.replace(/^frame 0 at byte 0: /, '');
      throw new FrameError(code, message, frames.length, offset);
    }
  }
  return frames;
}

function frameLength(bytes: Buffer): number {
  if (bytes.length < fixedBytes) throw new FrameError('truncated', `only ${bytes.length} bytes`);
  if (bytes.readUInt32BE(0) !== magic) throw new FrameError('bad-magic', 'no frame begins here');
  if (bytes[4] !== version) throw new FrameError('bad-version', `version ${bytes[4]}`);
  const length = bytes.readUInt32BE(8);
  if (length < fixedBytes || length > limits.requestBytes) {
    throw new FrameError('bad-length', `length is ${length}`);
  }
  if (length > bytes.length) {
    throw new FrameError('truncated', `length is ${length}, ${bytes.length} bytes are left`);
  }
  return length;
}

function decodeFrame(bytes: Buffer): Frame {
  const crc = frameCrc(bytes);
  const stated = bytes.readUInt32BE(crcAt);
  if (crc !== stated) throw new FrameError('bad-crc', `CRC is ${crc}, not ${stated}`);
  const rest = fixedBytes + bytes[40]!;
  if (rest > bytes.length) fail('topic goes beyond the frame');
  if (bytes.readUInt16BE(6) !== 0) fail('bytes 6 and 7 are not zero');
  const head = {
    epoch: bytes.toString('hex', 16, 32),
    topic: bytes.toString('latin1', fixedBytes, rest),
    partition: bytes.readUInt32BE(32),
    partitionCount: bytes.readUInt32BE(36),
  };
  const frame =
    bytes[5] === 1
      ? readSegment(head, bytes, rest)
      : bytes[5] === 2
        ? ({ kind: 'loss', ...head, loss: readLoss(bytes, rest) } as LossFrame)
        : fail(`kind is ${bytes[5]}`);
  checkFrame(frame);
  return frame;
}

function readSegment(
  head: StreamId & { partitionCount: number },
  bytes: Buffer,
  start: number,
): SegmentFrame {
  if (start + segmentBytes > bytes.length) fail('segment is cut off');
  const runCount = bytes.readUInt16BE(start + 29);
  const batchAt = start + segmentBytes + runCount * runBytes;
  if (batchAt > bytes.length) fail(`${runCount} source runs go beyond the frame`);
  const first = readU64(bytes, start);
  const flag = bytes[start + 28]!;
  if (flag > 1) fail(`provenance is ${flag}`);
  const runs: SourceRun[] = [];
  let sequence = first;
  for (let position = start + segmentBytes; position < batchAt; position += runBytes) {
    const count = bytes.readUInt32BE(position + 8);
    const sourceOffset = readU64(bytes, position);
    const incarnation = bytes.toString('hex', position + 12, position + 28);
    runs.push({ sequence, sourceOffset, count, incarnation });
    sequence += count;
  }
  return {
    kind: 'segment',
    ...head,
    first,
    count: bytes.readUInt32BE(start + 8),
    acceptedFrom: readU64(bytes, start + 12),
    acceptedTo: readU64(bytes, start + 20),
    provenance: flag === 1 ? 'headers' : 'index',
    runs,
    batch: bytes.subarray(batchAt),
  };
}

function readLoss(bytes: Buffer, start: number): Loss {
  const loss: unknown = JSON.parse(bytes.toString('utf8', start));
  if (typeof loss !== 'object' || loss === null || Array.isArray(loss)) fail('loss is no object');
  return loss as Loss;
}

const isCount = (n: unknown, min = 0, max = Number.MAX_SAFE_INTEGER): n is number =>
  Number.isSafeInteger(n) && (n as number) >= min && (n as number) <= max;

/** The same rules when writing and when reading. */
function checkFrame(frame: Frame): void {
  if (!/^[0-9a-f]{32}$/.test(frame.epoch)) fail(`epoch "${frame.epoch}"`);
  const problem = topicProblem(frame.topic);
  if (problem) fail(`topic ${problem}`);
  const { partition, partitionCount } = frame;
  if (!isCount(partitionCount, 1, limits.partitionsPerTopic)) {
    fail(`partitionCount ${partitionCount}`);
  }
  if (!isCount(partition, 0, partitionCount - 1)) fail(`partition ${partition}/${partitionCount}`);
  if (frame.kind === 'segment') checkSegment(frame);
  else checkLoss(frame.loss);
}

function checkSegment(frame: SegmentFrame): void {
  const { first, count, acceptedFrom, acceptedTo, runs, batch } = frame;
  if (!isCount(count, 1, limits.segmentRecords)) fail(`count ${count}`);
  if (!isCount(first, 0, Number.MAX_SAFE_INTEGER - count)) fail(`first ${first}`);
  if (!isCount(acceptedTo)) fail(`acceptedTo ${acceptedTo}`);
  if (!isCount(acceptedFrom, 0, acceptedTo)) fail(`acceptedFrom ${acceptedFrom}`);
  if (batch.length < 61 || batch.length > limits.segmentBytes)
    fail(`${batch.length} bytes of batch`);
  if (runs.length > limits.sourceRuns) fail(`${runs.length} source runs`);
  let next = first;
  for (const run of runs) {
    if (run.sequence !== next) fail(`source run at ${run.sequence}, expected ${next}`);
    if (!isCount(run.count, 1, count)) fail(`source run of ${run.count}`);
    if (!isCount(run.sourceOffset)) fail(`source offset ${run.sourceOffset}`);
    if (!/^[0-9a-f]{32}$/.test(run.incarnation)) fail(`incarnation "${run.incarnation}"`);
    next += run.count;
  }
  if (runs.length > 0 && next !== first + count)
    fail(`source runs make ${next - first} of ${count}`);
}

function checkLoss(loss: Loss): void {
  const { first, span, records, scope, bytes, from, to, reason, detail } = loss;
  if (!isCount(span, 1)) fail(`loss.span ${span}`);
  if (!isCount(first, 0, Number.MAX_SAFE_INTEGER - span)) fail(`loss.first ${first}`);
  if (scope !== 'stream' && scope !== 'source') fail(`loss.scope ${scope}`);
  if (!isCount(records)) fail(`loss.records ${records}`);
  if (scope === 'stream' && records !== span) fail(`loss.records ${records} of span ${span}`);
  if (scope === 'source' && span !== 1) fail(`loss.span ${span} of a marker`);
  if (!isCount(bytes)) fail(`loss.bytes ${bytes}`);
  if (from !== null && !isCount(from)) fail(`loss.from ${from}`);
  if (to !== null && !isCount(to)) fail(`loss.to ${to}`);
  if (!lossReasons.includes(reason)) fail(`loss.reason ${reason}`);
  if (typeof detail !== 'string' || detail.length > limits.lossDetailLength) fail('loss.detail');
}
