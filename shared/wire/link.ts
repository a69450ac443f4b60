import type { Loss } from './loss.ts';

/** The JSON half of the link (DESIGN §5). Binary frames are in frame.ts; prose in PROTOCOL.md. */

export const linkVersion = 1;
export const linkPath = {
  hello: '/link/v1/hello',
  segments: '/link/v1/segments',
  heartbeat: '/link/v1/heartbeat',
  kafka: '/link/v1/kafka',
} as const;
/** Request headers that name the sender of `segments`, `heartbeat` and `kafka`. */
export const linkHeader = {
  alias: 'tributary-alias',
  session: 'tributary-session',
  /** The edge's accept clock when it sent the request, ms: makes acceptance times comparable. */
  clock: 'tributary-clock',
  /** Of an answer: the certificate that came with the request should be renewed at once. */
  renew: 'tributary-renew',
} as const;
export const segmentsContentType = 'application/vnd.tributary.segments';

/** Names one stream of one epoch. */
export interface StreamId {
  epoch: string;
  topic: string;
  partition: number;
}

/** One string per stream, for maps. */
export const streamKey = (id: StreamId): string => `${id.epoch}/${id.topic}/${id.partition}`;

export interface HelloStream extends StreamId {
  /** Highest sequence appended; -1 when none. */
  head: number;
  /**
   * Highest sequence acknowledged by `centralId`; -1 when none. All up to it is gone at the edge.
   */
  cursor: number;
  /**
   * Highest sequence appended under `previous` or before it; -1 when none. What is above was
   * appended in sessions that no central had confirmed when this one began. Fixed for the run: it
   * is where this buffer parts from every other copy of it.
   */
  confirmed: number;
  /**
   * One for each run of Hello.unconfirmed: the highest sequence appended in it or before. Never
   * going down, from `confirmed` to `head`. Left out: nothing was appended to this stream in any of
   * them.
   */
  ends?: number[];
}

export interface Hello {
  version: number;
  alias: string;
  /** Epoch that new records get. Streams may also carry the remainder of older epochs. */
  epoch: string;
  /** Made new for every run of the agent, 32 hexadecimal digits. */
  session: string;
  /** The last session that a central confirmed to this buffer; null before the first. */
  previous: string | null;
  /**
   * Sessions of this buffer between `previous` and this one that no central confirmed to it, oldest
   * first, those that appended something, at most the newest limits.unconfirmedRuns. A central may
   * have let one in all the same, or know it from a copy. Left out: none.
   */
  unconfirmed?: string[];
  /** The central the cursors belong to; null before the first contact. */
  centralId: string | null;
  /** Agent version, for people. */
  agent: string;
  /** Wall clock, ms. */
  clock: number;
  streams: HelloStream[];
  /**
   * `sourcesAt` of the fork that this buffer followed last; -1: none told it. Left out by an agent
   * that does not want to be told.
   */
  sourcesAt?: number;
}

export type HelloAnswer = HelloAccepted | HelloFork | HelloAdopt;

export interface HelloAccepted {
  outcome: 'accepted';
  centralId: string;
  session: string;
  /** Wall clock, ms. */
  clock: number;
  heartbeatIntervalMs: number;
  limits: { requestBytes: number; segmentBytes: number };
  /** Highest sequence landed (or declared lost) per stream of the hello; -1 when none. */
  checkpoints: (StreamId & { through: number })[];
}

/**
 * The buffer is a restored or cloned one. The edge moves what it appended in sessions that no
 * central confirmed ('unconfirmed': all above `confirmed`; 'all': all above `cursor`) to a new
 * epoch, and says hello again with that epoch and a new session (so that requests still under way
 * stay fenced). It is as if the agent had been started again: `previous` is the last session that a
 * central confirmed, which is the forked one itself when it had been let in before, and `confirmed`
 * goes with it.
 */
export interface HelloFork {
  outcome: 'fork';
  centralId: string;
  scope: 'unconfirmed' | 'all';
  /**
   * With 'all': in these streams, sequences up to `through` are shared with the buffer that goes on
   * in the old epoch and stay where they are; only what is above moves.
   */
  keep: (StreamId & { through: number })[];
  /**
   * How far the site's sources have landed here, whichever buffer brought it: what is before such a
   * place is not landed again. Told to a buffer that asks; left out: nothing is known.
   */
  sources?: SourcePlace[];
  /** Differs when more has landed of them. */
  sourcesAt?: number;
  reason: string;
}

/** All that a partition of a source's topic holds before `next` has landed, or is a loss. */
export interface SourcePlace {
  topic: string;
  partition: number;
  /** Life of the topic at its source, 32 hexadecimal digits. */
  incarnation: string;
  next: number;
}

/** Central expects sequences that the edge no longer has: a person must run `edges adopt`. */
export interface HelloAdopt {
  outcome: 'adopt-needed';
  centralId: string;
  reason: string;
  holes: (StreamId & { first: number; span: number })[];
}

/** One frame's fate. `index` counts the request's frames from 0. */
export type Verdict =
  | { verdict: 'fresh' }
  | { verdict: 'duplicate' }
  /** Nothing landed: the edge rewinds to `expected`. */
  | { verdict: 'gap'; expected: number }
  /** Nothing landed: the edge cuts at `expected` and seals the rest again. */
  | { verdict: 'overlap'; expected: number }
  /** Poison: the edge quarantines, declares a loss, and the stream goes on. */
  | { verdict: 'refused'; code: RefusalCode; message: string }
  /** Nothing landed, nor of this stream in this request: its topic is not to be had just now. */
  | { verdict: 'held'; message: string }
  /** A loss of which `landed` sequences had landed already, as records; the rest is recorded. */
  | { verdict: 'clipped'; landed: number };

export type RefusalCode =
  | 'bad-crc'
  | 'bad-batch'
  | 'bad-provenance'
  | 'too-large'
  | 'bad-topic'
  | 'not-allowed'
  | 'bad-timestamp';

export const refusalCodes: readonly RefusalCode[] = [
  'bad-crc',
  'bad-batch',
  'bad-provenance',
  'too-large',
  'bad-topic',
  'not-allowed',
  'bad-timestamp',
];

export interface SegmentsAnswer {
  /** Cumulative, for every stream that the request named. */
  acks: (StreamId & { through: number })[];
  /** Only what is not `fresh`. */
  verdicts: ({ index: number } & Verdict)[];
}

/** Error body of every non-2xx answer on the link and on the status API. */
export interface ErrorBody {
  error: { code: string; message: string; hint?: string };
}

export interface HeartbeatStream extends StreamId {
  partitionCount: number;
  head: number;
  cursor: number;
  backlogRecords: number;
  backlogBytes: number;
  /** Age of the oldest record without an acknowledgement, ms; null without a backlog. */
  oldestAgeMs: number | null;
  /** Since the epoch began. */
  acceptedRecords: number;
  lostRecords: number;
}

export interface SourceState {
  /** Unique on this edge, for example `mqtt:localhost:1883`. */
  name: string;
  type: string;
  state: 'starting' | 'running' | 'degraded' | 'failed' | 'stopped';
  /** One sentence for a person, for example what is refused and why. */
  detail: string;
  acceptedRecords: number;
}

export interface Heartbeat {
  version: number;
  alias: string;
  epoch: string;
  session: string;
  /** Counts up within a session. */
  number: number;
  agent: string;
  /** Wall clock, ms. */
  clock: number;
  intervalMs: number;
  /** Totals over all streams, also those not in `streams`. */
  totals: {
    acceptedRecords: number;
    backlogRecords: number;
    backlogBytes: number;
    oldestAgeMs: number | null;
    lostRecords: number;
    lossesPending: number;
  };
  buffer: {
    usedBytes: number;
    maxBytes: number;
    whenFull: 'drop-oldest' | 'block';
    blocked: boolean;
  };
  disk: { freeBytes: number; totalBytes: number };
  sources: SourceState[];
  /**
   * Streams that changed since the last committed heartbeat of this session, all in its first ones.
   */
  streams: HeartbeatStream[];
}

/**
 * A loss as central keeps it. Times are ms on central's clock where `At`, on the edge's otherwise.
 */
export interface LossRecord extends Loss, StreamId {
  alias: string;
  landedAt: number;
}
