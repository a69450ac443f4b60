import { codecs } from '#shared/wire/compression.ts';
import type { WireRecord } from '#shared/wire/record.ts';
import type { Checkpoint } from './landing.ts';

/**
 * Rows of `tributary.checkpoints`: key and value are JSON, but for a lineage, which is JSON packed
 * with zstd (it may be 1 MiB). A tombstone takes a row away. Compaction keeps the newest.
 *
 *   ["alias", alias]                              AliasRow
 *   ["lineage", alias]                            what the intake remembers, packed
 *   ["stream", alias, epoch, topic, partition]    StreamRow
 *   ["lost", alias, epoch, topic, partition, n]   [first, last]: sequences that landed as losses
 *   ["fact", alias, key]                          what else is known of a site, as it was given
 *   ["topic", topic]                              TopicFact: a topic that this shard writes
 *   ["made", topic]                               its id: a topic that was made here
 *   ["copy", into, from, partition]               CopyRow: how far a flow's copy has come
 *   ["transaction"]                               TransactionRow: the newest one of this shard
 */
export type Row =
  | { key: ['alias', string]; value: AliasRow | null }
  | { key: ['lineage', string]; value: string | null }
  | { key: ['stream', string, string, string, number]; value: StreamRow | null }
  | { key: ['lost', string, string, string, number, number]; value: [number, number] | null }
  | { key: ['fact', string, string]; value: string | null }
  | { key: ['topic', string]; value: TopicFact | null }
  | { key: ['made', string]; value: string | null }
  | { key: ['copy', string, string, number]; value: CopyRow | null }
  | { key: ['transaction']; value: TransactionRow | null };

export interface AliasRow {
  epoch: string;
  session: string;
  sessionUsed: boolean;
  adoptAllowed: boolean;
  disabled: boolean;
  firstSeenAt: number;
}

export type StreamRow = Omit<Checkpoint, 'epoch' | 'topic' | 'partition'> & {
  /** null while nothing but losses landed. */
  remoteTopic: string | null;
  /** Merged topic → next free offset after the stream's last segment there. */
  merged: { [topic: string]: number };
};

export interface TopicFact {
  kind: 'remote' | 'merged';
  /** How topics were named when it was written; left out: `<alias>.<topic>`. */
  naming?: 'identity';
}

export interface CopyRow {
  /** Next source offset to copy. */
  next: number;
  /** 32 hexadecimal digits: the life of the source topic that `next` belongs to. */
  incarnation: string;
  /** All that the source holds is in: the shard itself goes on from here (own remote topics). */
  live: boolean;
  /** Records copied so far. */
  records: number;
}

export interface TransactionRow {
  /** Chosen by the producer, so that it knows its own again after an uncertain commit. */
  id: string;
  at: number;
}

export function toRecord({ key, value }: Row, at: number): WireRecord {
  return {
    key: Buffer.from(JSON.stringify(key)),
    value: value === null ? null : encode(key[0], value),
    headers: [],
    timestamp: Math.round(at),
  };
}

function encode(kind: Row['key'][0], value: NonNullable<Row['value']>): Buffer {
  if (kind === 'lineage') return pack(value as string);
  return Buffer.from(kind === 'fact' ? (value as string) : JSON.stringify(value));
}

/** undefined for a row that this version does not know: a newer one's, left alone. */
export function fromRecord(record: { key: Buffer | null; value: Buffer | null }): Row | undefined {
  const key = JSON.parse(record.key?.toString('utf8') ?? 'null') as Row['key'] | null;
  if (!key || !kinds.has(key[0])) return undefined;
  if (record.value === null) return { key, value: null } as Row;
  return { key, value: decode(key[0], record.value) } as Row;
}

function decode(kind: Row['key'][0], value: Buffer): unknown {
  if (kind === 'lineage') return unpack(value);
  const text = value.toString('utf8');
  return kind === 'fact' ? text : JSON.parse(text);
}

const kinds: ReadonlySet<string> = new Set<Row['key'][0]>([
  'alias',
  'lineage',
  'stream',
  'lost',
  'fact',
  'topic',
  'made',
  'copy',
  'transaction',
]);

const pack = (lineage: string): Buffer => Buffer.from(codecs.zstd.compress(Buffer.from(lineage)));
/** 1 MiB at most went in. */
const lineageBytesMax = 1024 * 1024;
const unpack = (packed: Buffer): string =>
  Buffer.from(codecs.zstd.decompress(packed, lineageBytesMax)).toString('utf8');
