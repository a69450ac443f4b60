import { streamKey } from '#shared/wire/link.ts';
import type { AliasRow, TopicFact } from './kafka-rows.ts';
import {
  assertLoss,
  assertNext,
  assertPartition,
  assertSession,
  assertWhole,
  inOrder,
  recordCount,
  sourcePlace,
} from './land-order.ts';
import {
  type AliasWrite,
  type CommittedHeartbeat,
  type LandedWrite,
  LandingError,
  type LossWrite,
  type SegmentWrite,
} from './landing.ts';
import type { GroupStage } from './shard-stage.ts';
import { checkpointOf, type StreamEntry } from './shard-state.ts';

/** Ranges of losses remembered per stream; an edge repeats or widens only the newest. */
const rangesKept = 10_000;

export interface StagedStream extends StreamEntry {
  /** The same stream as an earlier commit of the group leaves it: its offsets come first. */
  before: StagedStream | undefined;
  /** Numbers of ranges that are new, changed or gone. */
  lostChanged: Set<number>;
}

export interface StagedAlias {
  alias: string;
  row: AliasRow;
  lineage: string;
  heartbeat: CommittedHeartbeat | null;
  /** Times that it was removed: from 1 on, what is committed of it counts no more. */
  removals: number;
  gone: boolean;
  changed: Set<'alias' | 'lineage' | 'heartbeat'>;
  streams: Map<string, StagedStream>;
  /** Those that change; null: it goes. */
  facts: Map<string, string | null>;
}

/** A segment that lands, with where its stream stands behind it. */
export interface Move {
  alias: string;
  segment: SegmentWrite;
  stream: StagedStream;
}

/** The topics that a segment lands in, each once, the remote one first. */
export function targetsOf(segment: SegmentWrite): { topic: string; kind: TopicFact['kind'] }[] {
  const merged = [...new Set(segment.mergedTopics)];
  return [
    { topic: segment.remoteTopic, kind: 'remote' },
    ...merged.map((topic) => ({ topic, kind: 'merged' as const })),
  ];
}

/** What one commit of a group changes, over what those before it leave behind. */
export class CommitStage {
  readonly #group: GroupStage;
  readonly aliases = new Map<string, StagedAlias>();
  readonly topics = new Map<string, TopicFact>();
  readonly moves: Move[] = [];
  readonly losses: { alias: string; at: number; loss: LossWrite }[] = [];
  readonly #moved: { alias: string; streams: Set<StagedStream> }[] = [];

  constructor(group: GroupStage) {
    this.#group = group;
  }

  /** What the port answers; valid once the group's `landed` was called. */
  result(): LandedWrite[] {
    return this.#moved.map(({ alias, streams }) => ({
      alias,
      checkpoints: [...streams].map(checkpointOf),
    }));
  }

  write(asked: AliasWrite): void {
    const write = { ...asked, at: Math.round(asked.at) };
    const known = this.#alias(write.alias);
    assertSession(write, known?.row.session);
    assertWhole(write, known !== undefined);
    const moved = { alias: write.alias, streams: new Set<StagedStream>() };
    this.#moved.push(moved);
    if (write.remove) {
      if (known) this.aliases.set(write.alias, removed(known));
      return;
    }
    const alias = this.#begin(write, known);
    inOrder(write, {
      segment: (segment) => moved.streams.add(this.#segment(alias, segment, write.at)),
      loss: (loss) => moved.streams.add(this.#loss(alias, loss, write.at)),
    });
    if (moved.streams.size > 0 && !alias.row.sessionUsed) {
      alias.row.sessionUsed = true;
      alias.changed.add('alias');
    }
    for (const { key, value } of write.facts ?? []) alias.facts.set(key, value);
    if (write.heartbeat) {
      const { receivedAt, heartbeat } = write.heartbeat;
      alias.heartbeat = { receivedAt: Math.round(receivedAt), heartbeat };
      alias.changed.add('heartbeat');
    }
  }

  #alias(alias: string): StagedAlias | undefined {
    const staged = this.aliases.get(alias);
    if (staged) return staged.gone ? undefined : staged;
    const copy = this.#group.alias(alias);
    if (copy) this.aliases.set(alias, copy);
    return copy;
  }

  #begin(write: AliasWrite, known: StagedAlias | undefined): StagedAlias {
    const alias = known ?? this.#newcomer(write);
    const { session, flags } = write;
    if (session) {
      const { epoch, lineage } = session;
      const opened = { epoch, session: session.session, sessionUsed: false, adoptAllowed: false };
      alias.row = { ...alias.row, ...opened };
      alias.lineage = lineage;
      alias.changed.add('alias').add('lineage');
    }
    if (flags) {
      const { adoptAllowed = alias.row.adoptAllowed, disabled = alias.row.disabled } = flags;
      alias.row = { ...alias.row, adoptAllowed, disabled };
      alias.changed.add('alias');
    }
    return alias;
  }

  #newcomer({ alias, at }: AliasWrite): StagedAlias {
    const earlier = this.aliases.get(alias) ?? this.#group.aliases.get(alias);
    const row: AliasRow = {
      ...{ epoch: '', session: '', sessionUsed: false, adoptAllowed: false, disabled: false },
      firstSeenAt: at,
    };
    const staged: StagedAlias = {
      ...{ alias, row, lineage: '', heartbeat: null, gone: false },
      removals: earlier?.removals ?? 0,
      ...{ ...unchanged(), changed: new Set(['alias'] as const) },
    };
    this.aliases.set(alias, staged);
    return staged;
  }

  #segment(alias: StagedAlias, asked: SegmentWrite, at: number): StagedStream {
    const segment = { ...asked, mergedTopics: this.#group.feeds(asked) };
    const stream = this.#stream(alias, segment);
    const count = recordCount(segment);
    for (const { topic, kind } of targetsOf(segment)) this.#topic(topic, kind);
    const { row } = stream;
    row.remoteTopic = segment.remoteTopic;
    row.through = segment.first + segment.count - 1;
    row.landedRecords += count;
    row.landedBytes += segment.payloadBytes;
    row.acceptedAt = Math.round(segment.acceptedTo);
    row.landedAt = at;
    Object.assign(row, sourcePlace(segment));
    this.moves.push({ alias: alias.alias, segment, stream });
    return stream;
  }

  #loss(alias: StagedAlias, loss: LossWrite, at: number): StagedStream {
    assertLoss(loss);
    const stream = this.#stream(alias, loss);
    const { first, span, records, scope } = loss;
    stream.row.through = first + span - 1;
    if (scope === 'stream') stream.row.lostRecords += records;
    addLost(stream, first, first + span - 1);
    this.losses.push({ alias: alias.alias, at, loss });
    return stream;
  }

  #stream(alias: StagedAlias, at: SegmentWrite | LossWrite): StagedStream {
    assertPartition(at);
    const { epoch, topic, partition } = at;
    const key = streamKey({ epoch, topic, partition });
    const stream = alias.streams.get(key) ?? this.#group.stream(alias, { epoch, topic, partition });
    assertNext(at, stream.row.through);
    alias.streams.set(key, stream);
    stream.row.partitionCount = Math.max(stream.row.partitionCount, at.partitionCount);
    stream.row.session = alias.row.session;
    return stream;
  }

  #topic(topic: string, kind: TopicFact['kind']): void {
    const known = this.topics.get(topic)?.kind ?? this.#group.kindOf(topic);
    if (known && known !== kind) {
      const why = `topic "${topic}" is a ${known} topic and cannot be a ${kind} one too`;
      throw new LandingError('refused', why, { at: { topic } });
    }
    if (!this.#group.hasTopic(topic)) this.topics.set(topic, this.#group.factOf(kind));
  }
}

export const unchanged = (): Pick<StagedAlias, 'changed' | 'streams' | 'facts'> => {
  return { changed: new Set(), streams: new Map(), facts: new Map() };
};

const removed = (alias: StagedAlias): StagedAlias => ({
  ...alias,
  ...{ removals: alias.removals + 1, gone: true, lineage: '', heartbeat: null },
  ...unchanged(),
});

/** A loss that follows the newest range joins it. */
function addLost(stream: StagedStream, first: number, last: number): void {
  const newest = stream.lost.at(-1);
  const joins = newest && newest.last === first - 1;
  const range = joins ? { ...newest, last } : { number: (newest?.number ?? 0) + 1, first, last };
  const kept = joins ? stream.lost.slice(0, -1) : [...stream.lost];
  stream.lost = [...kept, range];
  stream.lostChanged.add(range.number);
  if (stream.lost.length > rangesKept) {
    stream.lostChanged.add(stream.lost[0]!.number);
    stream.lost = stream.lost.slice(1);
  }
}
