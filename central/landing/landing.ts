import type { SourceRun } from '#shared/wire/frame.ts';
import type { Heartbeat, LossRecord, StreamId } from '#shared/wire/link.ts';
import type { Loss } from '#shared/wire/loss.ts';
import type { RecordHeader } from '#shared/wire/record.ts';
import type { MirrorHost } from '../mirror/mirror.ts';

/**
 * The landing port: the log at central. One transaction carries records, merged records, losses,
 * checkpoints, sessions and heartbeats of any number of aliases; when `commit` resolves it is
 * durable, when it rejects with `uncertain` the caller must `load` again before it admits anything
 * more. Adapters: embedded (SQLite, one file) and Kafka. Both pass test/contract/landing.
 */
export interface Landing {
  readonly kind: 'embedded' | 'kafka';
  /** Made once per landing; edges' cursors belong to it. */
  readonly centralId: string;

  /** Who serves this alias; missing: this collector, always. */
  route?(alias: string): Route;
  /**
   * From now on sites may come here, at this address. Resolves when our share is taken over. Closed
   * while the front door still answers, it leaves that share to others, whom sites then look for;
   * within seconds, whatever the log does.
   */
  serve?(linkUrl: string | null): Promise<void>;
  /**
   * Told whenever another collector committed something of an alias, with all that is committed of
   * it; undefined: it was removed.
   */
  onForeign?(listener: (alias: string, committed: CommittedAlias | undefined) => void): void;

  /** What is committed for this alias; undefined when it never said hello. */
  load(alias: string): Promise<AliasState | undefined>;
  /** All aliases, without their streams' positions, for the fleet at start. */
  aliases(): Promise<AliasSummary[]>;

  /** Writes of one alias, or of several where the landing has a single shard. All or nothing. */
  commit(writes: readonly AliasWrite[]): Promise<LandedWrite[]>;

  checkpoints(filter: { alias?: string; topic?: string }): Promise<CheckpointRow[]>;
  /** Oldest first, from `sinceMs` (central's clock) on. */
  losses(filter: { alias?: string; sinceMs?: number; limit: number }): Promise<LossRecord[]>;
  /**
   * Sequences of [first, last] of this stream that landed as losses; the others up to `through` are
   * records.
   */
  lostWithin(alias: string, stream: StreamId, first: number, last: number): Promise<number>;
  topics(): Promise<TopicRow[]>;
  /**
   * undefined when there is no such topic or partition. `offset` below the start begins at the
   * start.
   */
  records(
    topic: string,
    partition: number,
    offset: number,
    limit: number,
  ): Promise<RecordPage | undefined>;

  /**
   * For a flow that is added later with `start = "earliest"`, where the adapter can: puts what
   * these remote topics hold already into the merged topic, in order, once however often it is
   * called. Call it before any commit names the flow for them: records older than one that it has
   * are not put behind it.
   */
  backfillMerged?(mergedTopic: string, remoteTopics: readonly string[]): Promise<void>;

  /** What flows copy into merged topics, beside what is merged as it lands; as it stands now. */
  copies?(): CopyView[];

  /** Small facts that are no records (enrolments, tokens), whose keys start with `prefix`. */
  registry(prefix: string): Promise<RegistryEntry[]>;
  /**
   * All of them or none, durable when resolved; null takes the key away. Rejects with `fenced`
   * where a fact is not as `expected`: another collector changed it.
   */
  register(changes: readonly RegistryChange[], expected?: Expected): Promise<void>;
  /** Told after other collectors, or we, changed facts. */
  onRegistry?(listener: () => void): void;

  /** What the mirror rests on; missing where there is no Kafka. */
  readonly mirror?: MirrorHost;

  /** Bytes on disk, for the status page; null where somebody else knows. */
  usage(): Promise<{ usedBytes: number; maxBytes: number } | null>;
  /** Proves that the landing answers and can write. */
  probe(): Promise<void>;
  close(): Promise<void>;
}

/**
 * `nobody`: for a moment, while a collector that is gone is being replaced. A `url` of null: we left
 * it, and do not hear to whom.
 */
export type Route = { to: 'here' } | { to: 'other'; url: string | null } | { to: 'nobody' };

/** A fact by its key, for example `enrolment/factory-a`: JSON, opaque here, 64 KiB at most. */
export interface RegistryEntry {
  key: string;
  value: string;
}

/** What a decision went by, by key; null: nothing was there. */
export type Expected = ReadonlyMap<string, string | null>;

export interface RegistryChange {
  key: string;
  value: string | null;
}

export interface AliasState {
  alias: string;
  /** Epoch of the current session. */
  epoch: string;
  session: string;
  /** Something was landed under `session` since it was written. */
  sessionUsed: boolean;
  /** What the intake remembers of earlier sessions, opaque here: at most 1 MiB, stored as it is. */
  lineage: string;
  /** An operator allowed the next hello to leave a hole. */
  adoptAllowed: boolean;
  disabled: boolean;
  firstSeenAt: number;
  checkpoints: Checkpoint[];
}

export interface Checkpoint extends StreamId {
  partitionCount: number;
  /** Highest sequence landed or declared lost; -1 when none. */
  through: number;
  landedRecords: number;
  landedBytes: number;
  lostRecords: number;
  /** Next free offset in the remote topic's partition after the last segment. */
  remoteOffset: number;
  /** Accept time (edge's accept clock, ms) of the last landed record, and when it landed here. */
  acceptedAt: number | null;
  landedAt: number | null;
  session: string;
  /** Where the newest landed record with a place at its source stood; null: there is none. */
  sourceIncarnation: string | null;
  /** Source offset behind it, in that life of its topic. */
  sourceNext: number | null;
}

export interface AliasSummary {
  alias: string;
  epoch: string;
  session: string;
  firstSeenAt: number;
  disabled: boolean;
  landedRecords: number;
  lostRecords: number;
  heartbeat: CommittedHeartbeat | null;
}

export interface CommittedAlias {
  summary: AliasSummary;
  checkpoints: Checkpoint[];
}

export interface CommittedHeartbeat {
  /** Central's clock, ms. */
  receivedAt: number;
  heartbeat: Heartbeat;
}

/** What one alias commits. Order within it is order in the log. */
export interface AliasWrite {
  alias: string;
  /** Central's clock, ms. */
  at: number;
  /** Replaces epoch, session and lineage (hello), and clears `adoptAllowed` and `sessionUsed`. */
  session?: { epoch: string; session: string; lineage: string };
  /**
   * Must be the committed session, else the commit is rejected with `fenced` (another collector
   * took over).
   */
  underSession?: string;
  segments: SegmentWrite[];
  losses: LossWrite[];
  heartbeat?: CommittedHeartbeat;
  flags?: { adoptAllowed?: boolean; disabled?: boolean };
  /** For `Landing.mirror`; a landing without one drops them. */
  facts?: readonly Fact[];
  /** Forget the alias: sessions, checkpoints, heartbeat and facts go, topics stay. */
  remove?: boolean;
}

/** What else is known of a site, by key: opaque here, 256 KiB at most; null takes it away. */
export interface Fact {
  key: string;
  value: string | null;
}

export interface SegmentWrite extends StreamId {
  partitionCount: number;
  first: number;
  count: number;
  /** Payload bytes, as `recordBytes` counts them, for the rates. */
  payloadBytes: number;
  acceptedTo: number;
  /** Sealed RecordBatch; stored as it is. */
  batch: Uint8Array;
  runs: readonly SourceRun[];
  remoteTopic: string;
  mergedTopics: readonly string[];
}

/**
 * A loss after clipping; also goes, as JSON under the alias as key, to the topic
 * `tributary.losses`.
 */
export interface LossWrite extends StreamId, Loss {
  partitionCount: number;
}

export interface LandedWrite {
  alias: string;
  /** The checkpoints that this write moved, as committed. */
  checkpoints: Checkpoint[];
}

export interface CheckpointRow extends Checkpoint {
  alias: string;
  remoteTopic: string;
  merged: { topic: string; offset: number }[];
}

/** Where one segment landed; written with it, on `tributary.index` (Kafka). */
export interface IndexEntry extends StreamId {
  alias: string;
  first: number;
  count: number;
  /** Offset of the first record; the others follow it without a hole. */
  remote: { topic: string; offset: number };
  merged: { topic: string; offset: number }[];
  /** Where the records stood at their source; none where it has no positions. */
  runs: SourceRun[];
}

export interface TopicRow {
  topic: string;
  kind: 'remote' | 'merged' | 'internal';
  /** Sites' topics keep their names: those of several sites may be this one. */
  shared?: boolean;
  partitions: { partition: number; startOffset: number; endOffset: number }[];
  /** Records readable now: sum of end - start. */
  records: number;
  /** How its settings do not fit what lands here, each in a sentence; left out: nobody looked. */
  troubles?: readonly string[];
}

/** A topic that a flow copies, over all its partitions. Times: ms on the monotonic clock. */
export interface CopyView {
  into: string;
  from: string;
  /** Whose records they are, and the topic's name there. */
  alias: string;
  topic: string;
  /** A remote topic of ours, whose past a flow takes first; else others write it. */
  own: boolean;
  /** Copied so far. */
  records: number;
  /** Offsets that have yet to be copied, transactions' markers included; null: not known yet. */
  behind: number | null;
  /** All that was committed there by then is copied; null: not known yet. */
  completeAt: number | null;
  /** When it came further last. */
  movedAt: number;
  /** Why it stands still, where this collector makes it. */
  trouble: string | null;
}

export interface RecordPage {
  records: LandedRecord[];
  /** Offset to go on from; null at the end. */
  next: number | null;
}

export interface LandedRecord {
  offset: number;
  timestamp: number;
  key: Buffer | null;
  value: Buffer | null;
  headers: readonly RecordHeader[];
}

/** A remote or merged topic, or one partition of it. */
export interface RefusedAt {
  topic: string;
  partition?: number | undefined;
}

export class LandingError extends Error {
  override name = 'LandingError';
  /**
   * `full`: no room, nothing was written. `fenced`: another session. `uncertain`: it may or may not
   * have been written. `closed`. `refused`: the log will never take it (code in the message).
   * `unavailable`: the log cannot take it just now, nothing was written. `moved`: another collector
   * owns this alias, nothing was written.
   */
  readonly code: 'full' | 'fenced' | 'uncertain' | 'closed' | 'refused' | 'unavailable' | 'moved';
  /** Of `refused`, where it is about one topic: all that does not touch it may land. */
  readonly at: RefusedAt | undefined;

  constructor(
    code: LandingError['code'],
    message: string,
    { at, ...options }: ErrorOptions & { at?: RefusedAt | undefined } = {},
  ) {
    super(message, options);
    this.code = code;
    this.at = at;
  }
}

/** Of `register`: somebody else decided meanwhile. */
export const changedFact = (key: string): LandingError =>
  new LandingError('fenced', `${key} was changed meanwhile`);
