import { crc32c } from '../std/crc32c.ts';
import { segmentProblem, streamProblem } from './frame-rules.ts';
import { limits } from './limits.ts';
import type { StreamId } from './link.ts';
import type { Loss } from './loss.ts';
import { checkLoss } from './loss-check.ts';
import { readRuns, runBytes, runsProblem, writeRuns } from './source-runs.ts';
import { readU64, writeU64 } from './u64.ts';

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
type FrameHead = StreamId & { partitionCount: number };

export type FrameErrorCode =
  | 'truncated'
  | 'bad-magic'
  | 'bad-version'
  | 'bad-length'
  | 'bad-crc'
  | 'too-large'
  | 'bad-field';

/** Bytes that are no frames, or a frame that breaks a rule. Nothing of the body is to be used. */
export class FrameError extends Error {
  override name = 'FrameError';
  readonly code: FrameErrorCode;
  /** Which frame of the body, from 0. */
  readonly index: number;
  /** Where that frame begins, bytes. */
  readonly offset: number;
  private readonly problem: string;

  constructor(code: FrameErrorCode, problem: string, index = 0, offset = 0) {
    super(`frame ${index} at byte ${offset}: ${problem}`);
    this.code = code;
    this.problem = problem;
    this.index = index;
    this.offset = offset;
  }

  /** The same about the frame's place in its body. */
  at(index: number, offset: number): FrameError {
    return new FrameError(this.code, this.problem, index, offset);
  }
}

/**
 * A request body is frames back to back. Big-endian; `u64` is a safe integer.
 *
 *   frame   := magic u32 'TRBF' · version u8 (1) · kind u8 (1 segment, 2 loss) · zero u16
 *              · length u32 (the whole frame) · crc u32 (CRC-32C of bytes 0 to 11, 16 to the end)
 *              · epoch 16 bytes · partition u32 · partitionCount u32 · topicLength u8 · topic
 *              · (segment | loss)
 *   segment := first u64 · count u32 · acceptedFrom u64 · acceptedTo u64
 *              · provenance u8 (0 index, 1 headers) · runCount u16 · run{runCount}
 *              · batch (RecordBatch v2, to the end)
 *   run     := sourceOffset u64 · count u32 · incarnation 16 bytes
 *   loss    := JSON, UTF-8, to the end
 *
 * The runs of a segment follow each other from `first` and add up to `count`, so that a run's
 * sequence need not be written.
 */
const magic = 0x54524246;
const version = 1;
const fixedBytes = 41;
const segmentBytes = 31;
const crcAt = 12;

function fail(message: string): never {
  throw new FrameError('bad-field', message);
}

/** Bytes that {@link encodeFrame} makes. */
export function frameSize(frame: Frame): number {
  const head = fixedBytes + frame.topic.length;
  if (frame.kind === 'loss') return head + lossJson(frame.loss).length;
  return head + segmentBytes + runBytes * frame.runs.length + frame.batch.length;
}

/** Head and batch (not copied), to be sent in this order. Throws a FrameError `bad-field`. */
export function encodeFrame(frame: Frame): Buffer[] {
  checkFrame(frame);
  const tail = frame.kind === 'loss' ? lossJson(frame.loss) : frame.batch;
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

/** Made only of a loss's own fields, so that what is written can be read. */
const lossJson = (loss: Loss): Buffer =>
  Buffer.from(JSON.stringify(readLoss(JSON.stringify(loss))));

function readLoss(text: string): Loss {
  try {
    return checkLoss(JSON.parse(text));
  } catch (error) {
    fail((error as Error).message);
  }
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
  writeRuns(frame.runs, head, start + segmentBytes);
}

/** Every frame of `body`; batches are views of it. Throws a FrameError and nothing else. */
export const decodeFrames = (body: Uint8Array): Frame[] => [...readFrames(body)];

/** The same one by one, so that the caller can let others have a turn in between. */
export function* readFrames(body: Uint8Array): Generator<Frame> {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  if (bytes.length > limits.requestBytes) {
    throw new FrameError(
      'too-large',
      `body has ${bytes.length} bytes; limit ${limits.requestBytes}`,
    );
  }
  let offset = 0;
  for (let index = 0; offset < bytes.length; index++) {
    const { frame, length } = frameAt(bytes.subarray(offset), index, offset);
    offset += length;
    yield frame;
  }
}

function frameAt(bytes: Buffer, index: number, offset: number): { frame: Frame; length: number } {
  try {
    const length = frameLength(bytes);
    return { frame: decodeFrame(bytes.subarray(0, length)), length };
  } catch (error) {
    throw error instanceof FrameError ? error.at(index, offset) : error;
  }
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
  const frame = readKind(head, bytes, rest);
  checkFrame(frame);
  return frame;
}

function readKind(head: FrameHead, bytes: Buffer, start: number): Frame {
  if (bytes[5] === 1) return readSegment(head, bytes, start);
  if (bytes[5] === 2)
    return { kind: 'loss', ...head, loss: readLoss(bytes.toString('utf8', start)) };
  return fail(`kind is ${bytes[5]}`);
}

function readSegment(head: FrameHead, bytes: Buffer, start: number): SegmentFrame {
  if (start + segmentBytes > bytes.length) fail('segment is cut off');
  const runCount = bytes.readUInt16BE(start + 29);
  const batchAt = start + segmentBytes + runCount * runBytes;
  if (batchAt > bytes.length) fail(`${runCount} source runs go beyond the frame`);
  const first = readU64(bytes, start);
  const flag = bytes[start + 28]!;
  if (flag > 1) fail(`provenance is ${flag}`);
  return {
    kind: 'segment',
    ...head,
    first,
    count: bytes.readUInt32BE(start + 8),
    acceptedFrom: readU64(bytes, start + 12),
    acceptedTo: readU64(bytes, start + 20),
    provenance: flag === 1 ? 'headers' : 'index',
    runs: readRuns(bytes.subarray(start + segmentBytes, batchAt), first),
    batch: bytes.subarray(batchAt),
  };
}

function checkFrame(frame: Frame): void {
  const problem =
    streamProblem(frame) ??
    (frame.kind === 'loss' ? undefined : (segmentProblem(frame) ?? runsProblem(frame.runs, frame)));
  if (problem) fail(problem);
}
