import type {
  Heartbeat,
  HeartbeatStream,
  HelloFork,
  HelloStream,
  StreamId,
} from '#shared/wire/link.ts';
import type { Loss } from '#shared/wire/loss.ts';
import type { Delivered, Delivery } from '../source/source.ts';

/**
 * The door of the buffer: durable streams of records between the sources and the uplink.
 * Two implementations behind it: `openBuffer` (thread.ts: SQLite on a worker thread, group commit)
 * and `openInlineBuffer` (the same store in this thread, for simulation and one-shot commands).
 * What the buffer guarantees is in ../DESIGN.md.
 */
export interface RecordBuffer {
  readonly identity: BufferIdentity;

  /** Durable when resolved. Rejects with a DeliverError; then nothing of the delivery was kept. */
  append(delivery: Delivery): Promise<Delivered>;
  positions(prefix: string): Promise<Map<string, globalThis.Buffer>>;
  /** By partition, the source offset before which all has landed through another buffer. */
  landedPlaces(topic: string, incarnation: string): Promise<Map<number, number>>;

  /**
   * Frames to send, encoded, in sequence order per stream and fair between streams. `from` names
   * the next sequence wanted per stream (by `streamKey` of link.ts); streams not named start behind
   * their cursor. Older epochs of a topic-partition come before newer ones. Never more than
   * `maxBytes`, but always at least one frame where there is a backlog. A segment whose checksum
   * fails is turned into a loss.
   */
  read(request: ReadRequest): Promise<ReadBatch>;
  /**
   * Moves cursors forward (never back; a lower `through` is ignored) and drops what they passed.
   */
  acknowledge(acks: readonly (StreamId & { through: number })[]): Promise<void>;
  /** Makes a segment boundary at `expected`, by sealing the segment around it again as two. */
  cut(stream: StreamId, expected: number): Promise<void>;
  /** Central refused this segment for good: quarantine it and put a loss in its place. */
  refuse(stream: StreamId, first: number, code: string, message: string): Promise<void>;
  /** Central had landed `landed` sequences of this loss already, as records: correct our ledger. */
  clip(stream: StreamId, lossFirst: number, landed: number): Promise<void>;

  /** Every stream with its head and cursor, older epochs with a remainder included. */
  helloStreams(): Promise<HelloStream[]>;
  /**
   * A central confirmed `identity.session`: remember it durably before anything is sent under it.
   */
  confirmSession(centralId: string): Promise<void>;
  /**
   * Becomes a new epoch and a new session. Records appended in sessions that no central confirmed
   * ('unconfirmed': above HelloStream.confirmed) or all that are left ('all': above the cursor, or
   * above `keep` in the streams it names) get new sequences from 0 there. What `sources` say has
   * landed is dropped, now and when it is delivered again; nothing else is.
   */
  fork(order: ForkOrder): Promise<void>;

  /** Streams changed since `version` (0: all), at most `maxStreams`, and the totals. O(changed). */
  report(version: number, maxStreams: number): Promise<BufferReport>;
  /** Newest losses first, landed or not. */
  losses(limit: number): Promise<LedgerLoss[]>;

  /** Called after each commit that added something to send. Returns the way to stop it. */
  onAppended(listener: () => void): () => void;
  /** Proves that the store answers and can write; for the watchdog and /healthz. */
  probe(): Promise<void>;
  /**
   * Fails outstanding waits, finishes the commit under way, checkpoints the WAL, releases the lock.
   */
  close(): Promise<void>;
}

export type ForkOrder = Pick<HelloFork, 'scope' | 'keep' | 'sources' | 'sourcesAt'>;

export interface BufferIdentity {
  epoch: string;
  session: string;
  previous: string | null;
  /** As in Hello; left out: none. */
  unconfirmed?: readonly string[];
  centralId: string | null;
  /** As in Hello. */
  sourcesAt: number;
}

export interface ReadRequest {
  from: ReadonlyMap<string, number>;
  /** Streams that are to wait, by `streamKey`. */
  except?: ReadonlySet<string>;
  maxBytes: number;
}

export interface ReadBatch {
  /** The frames back to back, ready to be a request body. */
  body: Uint8Array;
  frames: ReadFrame[];
  /** More is waiting behind these. */
  more: boolean;
  /**
   * Accept clock at the time of the read, ms: the uplink tells central, to compare acceptance
   * times.
   */
  acceptClock: number;
}

export interface ReadFrame extends StreamId {
  kind: 'segment' | 'loss';
  first: number;
  /** Sequences that the frame takes: records of a segment, `span` of a loss. */
  span: number;
  bytes: number;
}

export interface BufferReport {
  /** Pass it to the next call. */
  version: number;
  more: boolean;
  streams: HeartbeatStream[];
  totals: Heartbeat['totals'];
  usedBytes: number;
  maxBytes: number;
  whenFull: 'drop-oldest' | 'block';
  /** An append is waiting for room. */
  blocked: boolean;
  /** Accept clock now, ms: continuous over steps of the wall clock (accept-clock.ts). */
  acceptClock: number;
  quarantined: number;
}

export interface LedgerLoss extends Loss, StreamId {
  /** Wall clock when it was declared, ms. */
  declaredAt: number;
  landed: boolean;
}

export interface BufferOptions {
  /** Database file; its folder is created. */
  path: string;
  alias: string;
  maxBytes: number;
  whenFull: 'drop-oldest' | 'block';
  /** Partitions, and caps and policy where they differ, per topic; '*' gives the default. */
  topics: ReadonlyMap<string, TopicOptions>;
  compression: 'zstd' | 'none';
}

export interface TopicOptions {
  partitions: number;
  maxBytes?: number;
  whenFull?: 'drop-oldest' | 'block';
}
