import { type StreamId, streamKey } from '#shared/wire/link.ts';
import { landedTopic, type Naming } from '#shared/wire/mm2-topics.ts';
import type { AliasRow, CopyRow, Row, StreamRow, TopicFact, TransactionRow } from './kafka-rows.ts';
import type {
  AliasState,
  AliasSummary,
  Checkpoint,
  CheckpointRow,
  CommittedHeartbeat,
} from './landing.ts';

/** Sequences that landed as losses, inclusive. */
export interface LostRange {
  number: number;
  first: number;
  last: number;
}

export interface StreamEntry {
  id: StreamId;
  row: StreamRow;
  /** Newest last; numbers go up. */
  lost: LostRange[];
}

export interface AliasEntry {
  alias: string;
  row: AliasRow;
  lineage: string;
  streams: Map<string, StreamEntry>;
  heartbeat: CommittedHeartbeat | null;
  facts: Map<string, string>;
}

/**
 * What is committed of one shard: the fold of its rows, oldest first. Read from Kafka where another
 * collector owns the shard, moved by our own commits where we do.
 */
export class ShardState {
  readonly aliases = new Map<string, AliasEntry>();
  readonly topics = new Map<string, TopicFact>();
  /** Topics that were made here, and the id of each. */
  readonly made = new Map<string, string>();
  /** By `copyKey`. */
  readonly copies = new Map<string, CopyRow>();
  /** Keys of copies that are to come first, and have no row yet. */
  readonly fills = new Set<string>();
  transaction: TransactionRow | null = null;

  apply(row: Row): void {
    switch (row.key[0]) {
      case 'alias':
        this.#alias(row.key[1], row.value as AliasRow | null);
        break;
      case 'lineage':
        if (row.value !== null) this.#entry(row.key[1]).lineage = row.value as string;
        break;
      case 'stream': {
        const [, alias, epoch, topic, partition] = row.key;
        this.#stream(alias, { epoch, topic, partition }, row.value as StreamRow | null);
        break;
      }
      case 'lost': {
        const [, alias, epoch, topic, partition, number] = row.key;
        const id = { epoch, topic, partition };
        this.#lost(alias, id, number, row.value as [number, number] | null);
        break;
      }
      case 'fact':
        this.#fact(row.key[1], row.key[2], row.value as string | null);
        break;
      case 'topic':
        if (row.value) this.topics.set(row.key[1], row.value as TopicFact);
        else this.topics.delete(row.key[1]);
        break;
      case 'made':
        if (row.value) this.made.set(row.key[1], row.value as string);
        else this.made.delete(row.key[1]);
        break;
      case 'copy': {
        const key = copyKey(row.key[1], row.key[2], row.key[3]);
        this.fills.delete(key);
        if (row.value) this.copies.set(key, row.value as CopyRow);
        else this.copies.delete(key);
        break;
      }
      case 'transaction':
        this.transaction = row.value as TransactionRow | null;
    }
  }

  heartbeat(alias: string, heartbeat: CommittedHeartbeat | null): void {
    if (heartbeat) this.#entry(alias).heartbeat = heartbeat;
    else if (this.aliases.has(alias)) this.#entry(alias).heartbeat = null;
  }

  /** undefined for one of which only parts are known, or nothing. */
  alias(alias: string): AliasEntry | undefined {
    const entry = this.aliases.get(alias);
    return entry?.row === unknownAlias ? undefined : entry;
  }

  /** Those that said hello, by name. */
  known(): AliasEntry[] {
    const known = [...this.aliases.values()].filter(({ row }) => row !== unknownAlias);
    return known.sort((a, b) => (a.alias < b.alias ? -1 : 1));
  }

  #alias(alias: string, row: AliasRow | null): void {
    if (row === null) this.aliases.delete(alias);
    else this.#entry(alias).row = row;
  }

  /** Compaction keeps the newest row of each key: a stream's may come before its alias's. */
  #entry(alias: string): AliasEntry {
    let entry = this.aliases.get(alias);
    if (!entry) {
      entry = {
        ...{ alias, row: unknownAlias, lineage: '', streams: new Map(), heartbeat: null },
        facts: new Map(),
      };
      this.aliases.set(alias, entry);
    }
    return entry;
  }

  #stream(alias: string, id: StreamId, row: StreamRow | null): void {
    if (row === null) this.aliases.get(alias)?.streams.delete(streamKey(id));
    else this.#streamEntry(alias, id).row = { ...unknownStream, ...row };
  }

  #fact(alias: string, key: string, value: string | null): void {
    if (value === null) this.aliases.get(alias)?.facts.delete(key);
    else this.#entry(alias).facts.set(key, value);
  }

  #streamEntry(alias: string, id: StreamId): StreamEntry {
    const { streams } = this.#entry(alias);
    const key = streamKey(id);
    let stream = streams.get(key);
    if (!stream) {
      stream = { id, row: unknownStream, lost: [] };
      streams.set(key, stream);
    }
    return stream;
  }

  #lost(alias: string, id: StreamId, number: number, range: [number, number] | null): void {
    if (range === null && !this.aliases.get(alias)?.streams.has(streamKey(id))) return;
    const stream = this.#streamEntry(alias, id);
    const at = stream.lost.findIndex((known) => known.number === number);
    if (range === null) {
      if (at >= 0) stream.lost.splice(at, 1);
    } else if (at >= 0) {
      stream.lost[at] = { number, first: range[0], last: range[1] };
    } else {
      stream.lost.push({ number, first: range[0], last: range[1] });
    }
  }
}

const unknownAlias: AliasRow = {
  ...{ epoch: '', session: '', sessionUsed: false, adoptAllowed: false, disabled: false },
  firstSeenAt: 0,
};

/** A stream of which nothing landed. */
export const unknownStream: StreamRow = {
  ...{ partitionCount: 0, through: -1, landedRecords: 0, landedBytes: 0, lostRecords: 0 },
  ...{ remoteOffset: 0, acceptedAt: null, landedAt: null, session: '' },
  ...{ remoteTopic: null, merged: {}, sourceIncarnation: null, sourceNext: null },
};

export const copyKey = (into: string, from: string, partition: number): string =>
  `${into}/${from}/${partition}`;

export const checkpointOf = ({ id, row }: StreamEntry): Checkpoint => {
  const { remoteTopic: _, merged: __, ...rest } = row;
  return { ...id, ...rest };
};

export const stateOf = (entry: AliasEntry): AliasState => ({
  alias: entry.alias,
  ...entry.row,
  lineage: entry.lineage,
  checkpoints: [...entry.streams.values()].map(checkpointOf),
});

export function summaryOf({ alias, row, streams, heartbeat }: AliasEntry): AliasSummary {
  const { epoch, session, firstSeenAt, disabled } = row;
  let landedRecords = 0;
  let lostRecords = 0;
  for (const { row } of streams.values()) {
    landedRecords += row.landedRecords;
    lostRecords += row.lostRecords;
  }
  return { alias, epoch, session, firstSeenAt, disabled, landedRecords, lostRecords, heartbeat };
}

/** Whether what is said of a topic was said under this naming. */
export const isOf = (fact: TopicFact, naming: Naming): boolean =>
  (fact.naming ?? 'default') === naming;

/** What the naming of now made of it counts before all else. */
export function topicFactIn(
  states: readonly ShardState[],
  topic: string,
  naming: Naming,
): TopicFact | undefined {
  const facts = states.flatMap(({ topics }) => topics.get(topic) ?? []);
  return facts.find((fact) => isOf(fact, naming)) ?? facts[0];
}

export const checkpointRowOf = (
  alias: string,
  stream: StreamEntry,
  naming: Naming,
): CheckpointRow => ({
  ...checkpointOf(stream),
  alias,
  remoteTopic: stream.row.remoteTopic ?? landedTopic(alias, stream.id.topic, naming),
  // What was a merged topic under another naming may be the remote one by now.
  merged: Object.entries(stream.row.merged)
    .filter(([topic]) => topic !== stream.row.remoteTopic)
    .map(([topic, offset]) => ({ topic, offset })),
});

export function lostWithin(stream: StreamEntry | undefined, first: number, last: number): number {
  let lost = 0;
  for (const range of stream?.lost ?? []) {
    lost += Math.max(0, Math.min(range.last, last) - Math.max(range.first, first) + 1);
  }
  return lost;
}
