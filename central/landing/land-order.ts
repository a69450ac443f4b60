import { limits } from '#shared/wire/limits.ts';
import { type StreamId, streamKey } from '#shared/wire/link.ts';
import { BatchError, readBatchHeader } from '#shared/wire/record-batch.ts';
import { type AliasWrite, LandingError, type LossWrite, type SegmentWrite } from './landing.ts';

/**
 * What every adapter checks of a write before it lands: the last line of defence behind the
 * intake's judgement.
 */

type Positioned = StreamId & { partitionCount: number; first: number };

/**
 * The segments in their order, and each stream's losses between them where their sequences say (the
 * port hands them over apart from each other).
 */
export function inOrder(
  write: Pick<AliasWrite, 'segments' | 'losses'>,
  land: { segment(segment: SegmentWrite): void; loss(loss: LossWrite): void },
): void {
  const losses = byStream(write.losses);
  const loseBefore = (sequence: number, waiting: LossWrite[] | undefined): void => {
    while (waiting?.[0] && waiting[0].first < sequence) land.loss(waiting.shift()!);
  };
  for (const segment of write.segments) {
    loseBefore(segment.first, losses.get(streamKey(segment)));
    land.segment(segment);
  }
  for (const waiting of losses.values()) loseBefore(Number.POSITIVE_INFINITY, waiting);
}

function byStream(losses: readonly LossWrite[]): Map<string, LossWrite[]> {
  const streams = new Map<string, LossWrite[]>();
  for (const loss of losses) {
    const key = streamKey(loss);
    const list = streams.get(key);
    if (list) list.push(loss);
    else streams.set(key, [loss]);
  }
  for (const list of streams.values()) list.sort((a, b) => a.first - b.first);
  return streams;
}

/** Where the segment's last record stood at its source: nothing where it had no place there. */
export function sourcePlace({ runs }: SegmentWrite) {
  const last = runs.at(-1);
  if (!last || last.incarnation === noIncarnation) return {};
  const { incarnation, sourceOffset, count } = last;
  return { sourceIncarnation: incarnation, sourceNext: sourceOffset + count };
}

const noIncarnation = '0'.repeat(32);

/** A partition that its topic has. Throws a LandingError `refused`. */
export function assertPartition(stream: Positioned): void {
  const { partition, partitionCount } = stream;
  const fits =
    Number.isInteger(partition) &&
    partition >= 0 &&
    partition < partitionCount &&
    partitionCount <= limits.partitionsPerTopic;
  if (!fits) throw refused(stream, `names partition ${partition} of ${partitionCount}`);
}

/** Against duplicates and holes: what lands continues the checkpoint. */
export function assertNext(stream: Positioned, through: number): void {
  if (stream.first !== through + 1) {
    throw refused(stream, `cannot land: sequence ${through + 1} is expected`);
  }
}

export function assertLoss(loss: LossWrite): void {
  const { span, records, scope } = loss;
  if (!Number.isSafeInteger(span) || span < 1 || (scope === 'stream' && records !== span)) {
    throw refused(loss, `is a loss (${scope}) of ${records} records over ${span} sequences`);
  }
}

/** Counted on the bytes that land, apart from all arithmetic on sequences (DESIGN §1.3). */
export function recordCount(segment: SegmentWrite): number {
  const count = headerCount(segment);
  if (count === segment.count && count > 0) return count;
  throw refused(segment, `says ${segment.count} records, and its batch ${count}`);
}

function headerCount(segment: SegmentWrite): number {
  try {
    return readBatchHeader(segment.batch).count;
  } catch (error) {
    if (!(error instanceof BatchError)) throw error;
    throw refused(segment, `is no RecordBatch: ${error.message}`, error);
  }
}

const refused = (stream: Positioned, why: string, cause?: unknown): LandingError =>
  new LandingError('refused', `sequence ${stream.first} of ${streamKey(stream)} ${why}`, { cause });

/** Throws a LandingError `fenced` where another session than the committed one writes. */
export function assertSession({ alias, underSession }: AliasWrite, current?: string): void {
  if (underSession === undefined || underSession === current) return;
  const now = current === undefined ? 'no session of it is known' : `its session is ${current} now`;
  throw new LandingError('fenced', `${alias} wrote under session ${underSession}; ${now}`);
}

const factBytesMax = 256 * 1024;

/** What the intake may have us remember of an alias's sessions. */
const lineageBytesMax = 1024 * 1024;

/** What does not go together in one write. Throws a LandingError `refused`. */
export function assertWhole(write: AliasWrite, isKnown: boolean): void {
  const { alias, session, remove, segments, losses, heartbeat, facts = [] } = write;
  const refuse = (why: string) => {
    throw new LandingError('refused', why);
  };
  if (remove) {
    if (segments.length + losses.length > 0 || session || heartbeat) {
      refuse(`${alias} is removed and written to at once`);
    }
    return;
  }
  if (!isKnown && !session) refuse(`alias "${alias}" never said hello here`);
  for (const { key, value } of facts) {
    const bytes = Buffer.byteLength(value ?? '');
    if (bytes > factBytesMax) refuse(`${alias}: fact ${key.slice(0, 200)} has ${bytes} bytes`);
  }
  if (session && Buffer.byteLength(session.lineage) > lineageBytesMax) {
    refuse(`the lineage of "${alias}" is over 1 MiB`);
  }
}
