import { checkBatch } from '#shared/wire/batch-check.ts';
import type { Frame, LossFrame, SegmentFrame } from '#shared/wire/frame.ts';
import { limits } from '#shared/wire/limits.ts';
import { type RefusalCode, type StreamId, streamKey, type Verdict } from '#shared/wire/link.ts';
import { BatchError } from '#shared/wire/record-batch.ts';
import { isInternalTopic, remoteTopic, topicProblem } from '#shared/wire/topic-name.ts';
import type { Landing, LossWrite, SegmentWrite } from '../landing/landing.ts';
import type { Merge } from '../merge/merge.ts';
import { admitLoss, admitSegment, alreadyLanded } from './admit.ts';
import { type LaneState, throughOf } from './lane.ts';
import { Refusal } from './refusal.ts';
import type { Turns } from './turns.ts';

/** What judging any frame costs, as bytes of a batch. */
const frameCost = 512;
/** What a record adds to its payload; about the size of its provenance. */
const recordCost = 128;
/** Of all epochs together: an edge has limits.streamsPerEdge at a time. */
const streamsMax = 4 * limits.streamsPerEdge;

export interface Judged {
  /** One per frame. */
  verdicts: Verdict[];
  segments: SegmentWrite[];
  losses: LossWrite[];
  /** Every stream that the frames name. */
  streams: StreamId[];
  /** Of these, those whose topic has no place at central, by `streamKey`, and why. */
  held: Map<string, string>;
}

export interface JudgeParts {
  merge: Merge;
  landing: Landing;
  turns: Turns;
}

interface Stream {
  id: StreamId;
  committed: number;
  /** With what this request adds. */
  through: number;
  losses: LossWrite[];
}

/**
 * Judges the frames of one request in their order, each against what the ones before it leave
 * behind.
 */
export class Judge {
  readonly #alias: string;
  readonly #state: LaneState;
  readonly #merge: Merge;
  readonly #landing: Landing;
  readonly #streams = new Map<string, Stream>();
  readonly #judged: Judged = {
    ...{ verdicts: [], segments: [], losses: [], streams: [] },
    held: new Map(),
  };
  readonly #turns: Turns;

  constructor(alias: string, state: LaneState, parts: JudgeParts) {
    this.#alias = alias;
    this.#state = state;
    this.#merge = parts.merge;
    this.#landing = parts.landing;
    this.#turns = parts.turns;
  }

  async judge(frames: readonly Frame[]): Promise<Judged> {
    for (const frame of frames) {
      await this.#turns.spent(frameCost);
      const stream = this.#streamOf(frame);
      const verdict =
        frame.kind === 'segment'
          ? await this.#segment(stream, frame)
          : await this.#loss(stream, frame);
      this.#judged.verdicts.push(verdict);
    }
    return this.#judged;
  }

  #streamOf({ epoch, topic, partition }: StreamId): Stream {
    const id = { epoch, topic, partition };
    const key = streamKey(id);
    let stream = this.#streams.get(key);
    if (!stream) {
      const through = throughOf(this.#state, id);
      stream = { id, committed: through, through, losses: [] };
      this.#streams.set(key, stream);
      this.#judged.streams.push(id);
      const problem = this.#merge.nameProblem(this.#alias, topic);
      if (problem !== undefined) this.#judged.held.set(key, problem);
      if (through < 0) this.#assertRoom();
    }
    return stream;
  }

  #assertRoom(): void {
    if (this.#state.checkpoints.size + this.#streams.size <= streamsMax) return;
    throw new Refusal(
      403,
      'too-many-streams',
      `"${this.#alias}" has over ${streamsMax} streams here`,
      {
        hint: 'fewer topics or partitions; to begin anew: tributary-central edges remove <alias>',
      },
    );
  }

  async #segment(stream: Stream, frame: SegmentFrame): Promise<Verdict> {
    const verdict = admitSegment(stream.through, frame);
    if (verdict.verdict !== 'fresh') return verdict;
    const origin = remoteTopic(this.#alias, frame.topic);
    const checked = check(frame, this.#alias, origin);
    if ('verdict' in checked) {
      // It may have been inflated to the limit before.
      await this.#turns.spent(limits.segmentBytes);
      return checked;
    }
    await this.#turns.spent(checked.payloadBytes + frame.count * recordCost);
    const { kind: _, acceptedFrom: __, provenance: ___, ...segment } = frame;
    this.#judged.segments.push({
      ...segment,
      payloadBytes: checked.payloadBytes,
      remoteTopic: this.#merge.landedTopic(this.#alias, frame.topic),
      mergedTopics: this.#merge.targets(origin),
    });
    stream.through = frame.first + frame.count - 1;
    return verdict;
  }

  async #loss(stream: Stream, { partitionCount, loss }: LossFrame): Promise<Verdict> {
    const landed = alreadyLanded(stream.through, loss);
    const before = landed > 0 ? await this.#lostWithin(stream, loss.first, loss.first + landed) : 0;
    const { verdict, clipped } = admitLoss(stream.through, loss, before);
    if (clipped) {
      const write = { ...stream.id, ...clipped, partitionCount };
      this.#judged.losses.push(write);
      stream.losses.push(write);
      stream.through = clipped.first + clipped.span - 1;
    }
    return verdict;
  }

  /** Sequences of [first, end) that landed as losses, or will with this request. */
  async #lostWithin(stream: Stream, first: number, end: number): Promise<number> {
    const last = Math.min(end - 1, stream.committed);
    const committed =
      last < first ? 0 : await this.#landing.lostWithin(this.#alias, stream.id, first, last);
    return stream.losses.reduce((sum, loss) => {
      const overlap = Math.min(end, loss.first + loss.span) - Math.max(first, loss.first);
      return sum + Math.max(0, overlap);
    }, committed);
  }
}

type Refused = Extract<Verdict, { verdict: 'refused' }>;

/**
 * The one walk over a batch from the network: no edge forges another's name or spoils a
 * transaction.
 */
function check(
  frame: SegmentFrame,
  alias: string,
  origin: string,
): { payloadBytes: number } | Refused {
  const problem = topicProblem(origin);
  if (problem) return refused('bad-topic', `topic "${origin}" ${problem}`);
  if (isInternalTopic(origin))
    return refused('bad-topic', `topic "${origin}" is kept for ourselves`);
  const { topic, epoch, first, count } = frame;
  const provenance =
    frame.provenance === 'headers' ? { alias, topic, epoch, firstSequence: first } : null;
  try {
    return checkBatch(frame.batch, { count, provenance });
  } catch (error) {
    if (error instanceof BatchError) return refused(error.code, error.message);
    throw error;
  }
}

const refused = (code: RefusalCode, message: string): Refused => ({
  verdict: 'refused',
  code,
  message: message.slice(0, limits.lossDetailLength),
});
