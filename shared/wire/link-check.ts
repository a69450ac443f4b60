import { aliasProblem } from './alias.ts';
import {
  boolean,
  integer,
  LinkFormatError,
  list,
  matching,
  named,
  nullable,
  object,
  oneOf,
  optional,
  text,
  union,
  where,
} from './json-shape.ts';
import { limits } from './limits.ts';
import {
  type Heartbeat,
  type Hello,
  type HelloAnswer,
  linkVersion,
  refusalCodes,
  type SegmentsAnswer,
} from './link.ts';
import { topicProblem } from './topic-name.ts';

/**
 * What the network says, checked field by field against PROTOCOL.md. Each function takes parsed
 * JSON and returns the message, made only of known fields; or throws a LinkFormatError with the
 * field's path.
 */

const version = integer(linkVersion, linkVersion);
const id32 = matching(/^[0-9a-f]{32}$/, '32 lowercase hexadecimal digits');
const centralId = matching(/^[A-Za-z0-9_-]{1,64}$/, '1 to 64 letters, digits, "_" or "-"');
const alias = named(aliasProblem);
const sentence = text(limits.lossDetailLength);
const agent = text(100);
const count = integer();
const sequenceOrNone = integer(-1);
const interval = integer(1, 24 * 60 * 60 * 1000);

const streamId = {
  epoch: id32,
  topic: named((value) => topicProblem(value)),
  partition: integer(0, limits.partitionsPerTopic - 1),
};
const ofStreams = list(object({ ...streamId, through: sequenceOrNone }), limits.streamsPerEdge);

const behindHead = ({ head, cursor }: { head: number; cursor: number }): string | undefined =>
  cursor > head ? `cursor ${cursor} is ahead of head ${head}` : undefined;

/** Each stream once: with two answers for one stream, nobody knows which holds. */
function assertDistinct(
  streams: readonly { epoch: string; topic: string; partition: number }[],
  path: string,
): void {
  const seen = new Set<string>();
  for (const [i, { epoch, topic, partition }] of streams.entries()) {
    const key = `${epoch}/${topic}/${partition}`;
    if (seen.has(key)) throw new LinkFormatError(`${path}[${i}]`, key, 'the stream occurs twice');
    seen.add(key);
  }
}

const helloStream = where(
  object({
    ...streamId,
    head: sequenceOrNone,
    cursor: sequenceOrNone,
    confirmed: sequenceOrNone,
    ends: optional(list(sequenceOrNone, limits.unconfirmedRuns)),
  }),
  (stream) => {
    const { confirmed, ends = [], head } = stream;
    if (confirmed > head) return `confirmed ${confirmed} is ahead of head ${head}`;
    const rising = [confirmed, ...ends, head];
    const falls = rising.some((sequence, i) => sequence < (rising[i - 1] ?? -1));
    return falls ? `ends ${ends} do not rise from ${confirmed} to ${head}` : behindHead(stream);
  },
);

const hello = object({
  version,
  alias,
  epoch: id32,
  session: id32,
  previous: nullable(id32),
  unconfirmed: optional(list(id32, limits.unconfirmedRuns)),
  centralId: nullable(centralId),
  agent,
  clock: count,
  streams: list(helloStream, limits.streamsPerEdge),
  sourcesAt: optional(sequenceOrNone),
});

export function checkHello(json: unknown): Hello {
  const message: Hello = hello(json, '');
  assertDistinct(message.streams, 'streams');
  const runs = message.unconfirmed?.length ?? 0;
  for (const [i, { ends }] of message.streams.entries()) {
    if (ends === undefined || ends.length === runs) continue;
    throw new LinkFormatError(`streams[${i}].ends`, ends, `must be one for each of ${runs} runs`);
  }
  return message;
}

const heartbeatStream = where(
  object({
    ...streamId,
    partitionCount: integer(1, limits.partitionsPerTopic),
    head: sequenceOrNone,
    cursor: sequenceOrNone,
    backlogRecords: count,
    backlogBytes: count,
    oldestAgeMs: nullable(count),
    acceptedRecords: count,
    lostRecords: count,
  }),
  (stream) =>
    stream.partition < stream.partitionCount
      ? behindHead(stream)
      : `partition ${stream.partition} of ${stream.partitionCount}`,
);

const heartbeat = object({
  version,
  alias,
  epoch: id32,
  session: id32,
  number: count,
  agent,
  clock: count,
  intervalMs: interval,
  totals: object({
    acceptedRecords: count,
    backlogRecords: count,
    backlogBytes: count,
    oldestAgeMs: nullable(count),
    lostRecords: count,
    lossesPending: count,
  }),
  buffer: object({
    usedBytes: count,
    maxBytes: count,
    whenFull: oneOf('drop-oldest', 'block'),
    blocked: boolean,
  }),
  disk: object({ freeBytes: count, totalBytes: count }),
  sources: list(
    object({
      name: text(300),
      type: text(50),
      state: oneOf('starting', 'running', 'degraded', 'failed', 'stopped'),
      detail: sentence,
      acceptedRecords: count,
    }),
    limits.sourcesPerEdge,
  ),
  streams: list(heartbeatStream, limits.heartbeatStreams),
});

export function checkHeartbeat(json: unknown): Heartbeat {
  const message: Heartbeat = heartbeat(json, '');
  assertDistinct(message.streams, 'streams');
  return message;
}

const sourcePlace = object({
  topic: streamId.topic,
  partition: streamId.partition,
  incarnation: id32,
  next: count,
});

const helloAnswer = union('outcome', {
  accepted: object({
    centralId,
    session: id32,
    clock: count,
    heartbeatIntervalMs: interval,
    limits: object({ requestBytes: integer(1), segmentBytes: integer(1) }),
    checkpoints: ofStreams,
  }),
  fork: object({
    centralId,
    scope: oneOf('unconfirmed', 'all'),
    keep: ofStreams,
    sources: optional(list(sourcePlace, limits.streamsPerEdge)),
    sourcesAt: optional(count),
    reason: sentence,
  }),
  'adopt-needed': object({
    centralId,
    reason: sentence,
    holes: list(object({ ...streamId, first: count, span: integer(1) }), limits.streamsPerEdge),
  }),
});

export function checkHelloAnswer(json: unknown): HelloAnswer {
  const message: HelloAnswer = helloAnswer(json, '');
  if (message.outcome === 'accepted') assertDistinct(message.checkpoints, 'checkpoints');
  if (message.outcome === 'fork') assertDistinct(message.keep, 'keep');
  return message;
}

const index = integer();
const segmentsAnswer = object({
  acks: ofStreams,
  verdicts: list(
    union('verdict', {
      fresh: object({ index }),
      duplicate: object({ index }),
      gap: object({ index, expected: count }),
      overlap: object({ index, expected: count }),
      refused: object({ index, code: oneOf(...refusalCodes), message: sentence }),
      held: object({ index, message: sentence }),
      clipped: object({ index, landed: integer(1) }),
    }),
    limits.requestFrames,
  ),
});

export function checkSegmentsAnswer(json: unknown): SegmentsAnswer {
  const message: SegmentsAnswer = segmentsAnswer(json, '');
  assertDistinct(message.acks, 'acks');
  return message;
}
